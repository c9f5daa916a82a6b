"""The first module of every network: from RGB bytes to what the backbone was trained on."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn


@dataclass(frozen=True)
class Normalization:
    """Order of channels, mean and scale of a network's input, for images of RGB 0..255."""

    bgr: bool
    mean: tuple[float, ...]
    scale: tuple[float, ...]


NORMALIZATIONS = {
    "caffe": Normalization(bgr=True, mean=(104.00699, 116.66877, 122.67892), scale=(1.0, 1.0, 1.0)),
    "torchvision": Normalization(
        bgr=False, mean=(123.675, 116.28, 103.53), scale=(58.395, 57.12, 57.375)
    ),
}
"""By name: Caffe's BGR means as the reference subtracts them, and torchvision's for ImageNet."""


class Normalize(nn.Module):
    """(channel - mean) / scale, after the channels are put in order."""

    def __init__(self, normalization: Normalization) -> None:
        super().__init__()
        self.bgr = normalization.bgr
        for name in ("mean", "scale"):
            value = torch.tensor(getattr(normalization, name)).view(-1, 1, 1)
            self.register_buffer(name, value, persistent=False)

    def forward(self, image: Num[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h w"]:
        mean, scale = self.get_buffer("mean"), self.get_buffer("scale")
        if self.bgr:
            image = image.flip(1)
        return (image.to(mean.dtype) - mean) / scale
