"""Batch normalization for training on few images at a time, and by several processes.

Source: Ioffe and Szegedy 2015.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
import torch.distributed as dist
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

BatchNorm = Literal["frozen", "trained"]
"""Statistics of batch normalization in training: "frozen", those of the start, or "trained", those
of the images of a pass over all processes. Its weights and biases learn in both."""


class Synchronized(nn.BatchNorm2d):
    """Batch normalization over the images of all processes, so that their number does not matter.

    It takes the place of a layer and has its parameters. Frozen, or where the weight is fixed, it
    uses the statistics of the start in training too. Otherwise every process must have as many
    pixels as the others.
    """

    def __init__(self, layer: nn.BatchNorm2d, *, frozen: bool) -> None:
        super().__init__(layer.num_features, layer.eps, layer.momentum, layer.affine)
        self._parameters.update(layer._parameters)
        self._buffers.update(layer._buffers)
        self.frozen = frozen
        self.drop = getattr(layer, "drop", nn.Identity())  # as timm's BatchNormAct2d
        self.act = getattr(layer, "act", nn.Identity())

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        fixed = self.frozen or (self.weight is not None and not self.weight.requires_grad)
        trained = self.training and not fixed
        if trained and dist.is_initialized() and dist.get_world_size() > 1:
            y = self._over_processes(x)
        else:
            y = F.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, trained,
                self.momentum or 0.0, self.eps,
            )  # fmt: skip
        normalized: Tensor = self.act(self.drop(y))
        return normalized

    def _over_processes(self, x: Tensor) -> Tensor:
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        number = dist.get_world_size()
        mean = _sum(wide.mean((0, 2, 3))) / number
        centered = wide - mean[:, None, None]
        variance = _sum(centered.square().mean((0, 2, 3))) / number
        with torch.no_grad():
            count = x.numel() // x.shape[1] * number
            for name, value in (("mean", mean), ("var", variance * count / max(count - 1, 1))):
                self.get_buffer(f"running_{name}").lerp_(value, self.momentum or 0.0)
        y = centered * (variance + self.eps).rsqrt()[:, None, None]
        if self.weight is not None:
            y = y * self.weight[:, None, None] + self.bias[:, None, None]
        return y.to(x.dtype)


class Sum(torch.autograd.Function):
    """The sum over processes, whose losses all depend on it."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        total = value.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return Sum.forward(ctx, *gradients)


def _sum(value: Tensor) -> Tensor:
    total: Tensor = Sum.apply(value)
    return total


def set_batch_norm(module: nn.Module, choice: str) -> None:
    """Let all batch normalization of a module work as chosen.

    Raises:
        ValueError: The choice is unknown.
    """
    if choice not in get_args(BatchNorm):
        raise ValueError(
            f"`batch_norm` must be one of {', '.join(get_args(BatchNorm))}; got {choice!r}."
        )
    for parent in list(module.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, nn.BatchNorm2d):
                setattr(parent, name, Synchronized(layer, frozen=choice == "frozen"))
