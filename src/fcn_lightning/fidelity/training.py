"""Training as a golden trajectory was: the same start, images, masks and solver."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from fcn_lightning.fidelity.images import moved
from fcn_lightning.fidelity.networks import parameters_of
from fcn_lightning.fidelity.reference import Model
from fcn_lightning.fidelity.solver import Solver
from fcn_lightning.losses import softmax_loss
from fcn_lightning.models import FCN, LateFusion
from fcn_lightning.optim import configure

Samples = list[tuple[Tensor | dict[str, Tensor], Tensor]]
"""Images (of each modality, where there are several) and labels, in the order of training."""


class Mask(nn.Module):
    """Dropout that is not drawn: the map times 2 x mask, a mask for each pass."""

    def __init__(self, masks: list[Tensor]) -> None:
        super().__init__()
        self.masks: Iterator[Tensor] = iter(masks)

    def forward(self, x: Tensor) -> Tensor:
        mask = next(self.masks)
        if mask.shape != x.shape:
            raise ValueError(
                f"A mask of dropout must have its map's shape {tuple(x.shape)}; got "
                f"{tuple(mask.shape)}. Make the training file as its README says."
            )
        return x * (2 * mask.to(x))


@dataclass
class Trajectory:
    """What a training run showed: losses of each pass, and parameters by their layers' names.

    Parameters and gradients are on the CPU.

    `first_gradient` is that of the first image alone, also where more make an update.
    """

    losses: list[float] = field(default_factory=list)
    first_gradient: dict[str, Tensor] = field(default_factory=dict)
    start: dict[str, Tensor] = field(default_factory=dict)
    final: dict[str, Tensor] = field(default_factory=dict)
    learned: set[str] = field(default_factory=set)


def train(
    network: FCN | LateFusion,
    model: Model,
    solver: Solver,
    samples: Samples,
    masks: Mapping[str, list[Tensor]],
) -> Trajectory:
    """Trains a network by the project's own loss, recipe and optimizer; batch 1, accumulated.

    It runs where the network is.
    """
    device = next(network.parameters()).device
    run = Trajectory(start=_copies(network))
    recipe = solver.recipe(network, model)
    for layer, of_layer in masks.items():
        setattr(network.backbone, f"drop{layer.removeprefix('fc')}", Mask(of_layer))
    optimizer, schedule = configure(network, recipe)
    for i in range(recipe.max_steps * recipe.batch):
        image, label = samples[i % len(samples)]
        score = network(moved(image, device))
        assert isinstance(score, Tensor)
        loss = softmax_loss(score, label.to(device), recipe.loss).mean()
        torch.autograd.backward(loss / recipe.batch)
        run.losses.append(loss.item())
        if i == 0:
            run.first_gradient = {
                name: (recipe.batch * parameter.grad).cpu()
                for name, parameter in parameters_of(network).items()
                if parameter.grad is not None
            }
        if (i + 1) % recipe.batch == 0:
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
    run.final = _copies(network)
    run.learned = {name for name, p in parameters_of(network).items() if p.requires_grad}
    return run


def _copies(network: nn.Module) -> dict[str, Tensor]:
    return {
        name: value.detach().to("cpu", copy=True) for name, value in parameters_of(network).items()
    }
