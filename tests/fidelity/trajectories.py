"""Trajectories: losses, first gradients, final weights and their changes after some steps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from fcn_lightning.models import FCN, LateFusion
from fcn_lightning.optim import configure
from fidelity.cases import Case
from fidelity.compare import (
    CHANGE,
    GRADIENT,
    LOSS,
    WEIGHT,
    Array,
    Pair,
    Row,
    compare,
    largest,
    relative,
)
from fidelity.networks import network_of, parameters_of, without_normalization
from fidelity.passes import Blobs, examples, scored
from fidelity.reference import MODELS, Model
from fidelity.rounding import ROUNDINGS
from fidelity.solver import Solver, solver_of

SEQUENCE, OWN = ("rgb{i}", "label{i}"), ("in{i}/{name}", "in{i}/{name}")
"""The keys of images and labels in `train_sequence.npz`, and in a trajectory's own file."""


class Trajectory(NamedTuple):
    """Losses (steps, images of a step), and by layer the first gradients and final weights.

    The gradients are those of the first image alone, for the layers that learn.
    """

    losses: Array
    gradients: dict[str, Array]
    final: dict[str, Array]


def check_sequence(case: Case, device: str) -> list[Row]:
    """Read the images and labels of trajectories, which hold nothing to compare."""
    examples(case, MODELS["voc-fcn32s"], *SEQUENCE)
    return []


def check_train(case: Case, device: str) -> list[Row]:
    """Compare losses, first gradients, final weights and their changes.

    A trajectory of a large rate is chaotic: rounding alone decides the side of a ReLU, or which of
    two nearly equal pixels a pool takes. So training is first rounded as Caffe rounds, and where
    that exceeds a tolerance, in other ways. A wrong step exceeds it in all of them.
    """
    model, solver, weights = MODELS[case.model], solver_of(case), case.weights
    if model.heads:
        raise case.misfit(f"is of {case.model}, which has more than one score")
    network = network_of(weights, dense=bool(solver.up_lr))
    for name, parameter in parameters_of(network).items():
        scoring = solver.score == "zero" and name.startswith("score_")
        if scoring or name.rpartition(".")[0] in solver.zero:
            nn.init.zeros_(parameter)
    if model.fusion or any(key.startswith("in") for key in case.values):
        shown = examples(case, model, *OWN)
        without_normalization(network)
    else:
        shown = examples(case.beside("train_sequence.npz"), model, *SEQUENCE)
    masks = _masks(case, solver.iters * solver.iter_size) if solver.dropout else {}
    start = weights.values | _copies(network)
    tried: list[list[Row]] = []
    for name, rounding in ROUNDINGS.items():
        trained = deepcopy(network)
        with rounding(trained):
            run = train(trained.to(device), model, solver, shown, masks)
        title = f"{case.title}, rounded {name}" if name else case.title
        tried.append(_rows(case, title, run, start))
        if all(row.ok for row in tried[-1]):
            return tried[-1]
    return tried[0]


def train(
    network: FCN | LateFusion,
    model: Model,
    solver: Solver,
    shown: Sequence[Blobs],
    masks: Mapping[str, Sequence[Tensor]],
) -> Trajectory:
    """Trains a network where it is, by the project's own loss, recipe and optimizer.

    A pass takes one image.
    """
    for layer, of_layer in masks.items():
        dropout = network.get_submodule(f"backbone.{layer}")
        dropout.register_forward_hook(partial(_drop, iter(of_layer)))
    recipe = solver.recipe(network)
    optimizer, schedule = configure(network, recipe)
    losses: list[float] = []
    gradients: dict[str, Array] = {}
    for i in range(recipe.max_steps * recipe.batch):
        loss = scored(network, model, shown[i % len(shown)])["loss"]
        torch.autograd.backward(loss / recipe.batch)
        losses.append(loss.item())
        if i == 0:
            gradients = {
                name: (recipe.batch * parameter.grad).cpu().numpy()
                for name, parameter in parameters_of(network).items()
                if parameter.grad is not None
            }
        if (i + 1) % recipe.batch == 0:
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
    shape = (recipe.max_steps, recipe.batch)
    return Trajectory(np.reshape(losses, shape), gradients, _copies(network))


def _drop(masks: Iterator[Tensor], layer: nn.Module, inputs: Any, x: Tensor) -> Tensor:
    """Dropout that is not drawn: the map times 2 x mask, with one mask for each pass."""
    mask = next(masks).to(x)
    if mask.shape != x.shape:
        raise ValueError(f"a mask of {tuple(mask.shape)} for a map of {tuple(x.shape)}")
    return x * (2 * mask)


def _masks(case: Case, num_passes: int) -> dict[str, list[Tensor]]:
    """Masks of 0 and 1 for each dropout layer, from packed bits."""
    masks: dict[str, list[Tensor]] = {"drop6": [], "drop7": []}
    for i in range(num_passes):
        for n in "67":
            packed, shape = case[f"mask{i}/fc{n}"], tuple(map(int, case[f"maskshape{i}/fc{n}"]))
            if len(packed) != -(-np.prod(shape) // 8):
                raise case.misfit(f"holds {len(packed)} bytes in `mask{i}/fc{n}` for {shape}")
            bits = np.unpackbits(packed)[: np.prod(shape)].reshape(shape)
            masks[f"drop{n}"].append(torch.from_numpy(bits))
    return masks


def _copies(network: nn.Module) -> dict[str, Array]:
    return {n: p.detach().cpu().numpy().copy() for n, p in parameters_of(network).items()}


def _rows(case: Case, title: str, run: Trajectory, start: Mapping[str, Array]) -> list[Row]:
    """The rows of a trajectory, of which first gradients may be left out with dropout."""
    losses, gradients, changes = [], [], []
    for key, ours in {"loss": run.losses.mean(1), "loss_micro": run.losses}.items():
        if key == "loss" or key in case.values:
            if case[key].shape != ours.shape:
                raise case.misfit(f"holds `{key}` of {case[key].shape} and not of {ours.shape}")
            for place, golden in np.ndenumerate(case[key]):
                losses.append(relative(f"{key} of update {place[0] + 1}", ours[place], golden))
    if case.under("grad0/") or "mask0/fc6" not in case.values:
        still = {name: 0 * value for name, value in start.items()}
        gradients = _pairs(case, "grad0/", still | run.gradients, run.gradients)
    weights = _pairs(case, "final/", {**start, **run.final}, run.gradients)
    for name, ours, golden, unit in weights:
        begin = start[name]
        if golden.shape == begin.shape and largest(golden - begin) > WEIGHT * unit:
            changes.append(relative(name, ours - begin, golden - begin))
    rest = len(weights) - len(changes)
    what = f"{len(changes)} changes, of a layer's largest"
    what += f"; {rest} not distinguishable" if rest else ""
    return [
        *compare(title, f"{len(run.losses)} updates' losses, relative", LOSS, losses),
        *compare(title, "{} first gradients, of a layer's largest", GRADIENT, gradients),
        *compare(title, "{} final weights, of a layer's largest", WEIGHT, weights),
        *compare(title, what, CHANGE, changes or [Pair("", 0, 0)]),
    ]


def _pairs(case: Case, group: str, ours: Mapping[str, Array], learned: Iterable[str]) -> list[Pair]:
    """The pairs of a group of keys: of all layers that learn, and of others that it holds."""
    names = dict.fromkeys([*case.under(group), *learned])
    return [relative(name, ours[name], case[group + name]) for name in names]
