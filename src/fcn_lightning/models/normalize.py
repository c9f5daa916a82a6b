"""Input normalization, the first module of every network.

Images stay uint8 RGB until here, and an exported network needs no other preprocessing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn

from fcn_lightning.labels import by_name


@dataclass(frozen=True)
class Normalization:
    """Channel order, mean and scale of a network's input, in 0 to 255; `log` is applied first."""

    bgr: bool
    mean: tuple[float, ...]
    scale: tuple[float, ...] = (1.0,)
    log: bool = False

    @property
    def color(self) -> tuple[float, ...]:
        """The pixel of an image that is nearest to zero after normalization, in whole numbers."""
        mean = self.mean[::-1] if self.bgr else self.mean
        return tuple(float(round(math.exp(m) if self.log else m)) for m in mean)


NORMALIZATIONS = {
    "caffe": Normalization(bgr=True, mean=(104.00699, 116.66877, 122.67892)),
    "pascal_context": Normalization(bgr=True, mean=(104.007, 116.669, 122.679)),
    "siftflow": Normalization(bgr=True, mean=(114.578, 115.294, 108.353)),
    "nyud_color": Normalization(bgr=True, mean=(116.190, 97.203, 92.318)),
    "nyud_hha": Normalization(bgr=False, mean=(132.431, 94.076, 118.477)),
    "nyud_depth": Normalization(bgr=False, mean=(7.844,), log=True),
    "torchvision": Normalization(
        bgr=False, mean=(123.675, 116.28, 103.53), scale=(58.395, 57.12, 57.375)
    ),
    "inception": Normalization(bgr=False, mean=(127.5,) * 3, scale=(127.5,) * 3),
    "clip": Normalization(
        bgr=False,
        mean=(122.7709383, 116.7460125, 104.09373615),
        scale=(68.5005327, 66.6321579, 70.32316305),
    ),
    "unit": Normalization(bgr=False, mean=(0.0,) * 3, scale=(255.0,) * 3),
    "shapes_depth": Normalization(bgr=False, mean=(3000.0,), scale=(520.0,)),
}
"""The means that the reference's data layers subtract, torchvision's ImageNet statistics, others of
timm's models, and mean and standard deviation of the depths in `shapes_nyud`.

Source: shelhamer/fcn.berkeleyvision.org voc_layers.py, pascalcontext_layers.py,
siftflow_layers.py, nyud_layers.py; torchvision's weights; timm's constants.py.
"""


def colors_of(normalize: str | Mapping[str, str]) -> dict[str, tuple[float, ...]]:
    """The `color` of each modality's normalization."""
    return {name: NORMALIZATIONS[of].color for name, of in by_name(normalize).items()}


class Normalize(nn.Module):
    """Reorders the channels, then computes (channel - mean) / scale."""

    def __init__(self, normalization: Normalization) -> None:
        super().__init__()
        self.normalization = normalization
        self.bgr, self.log = normalization.bgr, normalization.log
        self.channels = len(normalization.mean)
        for name in ("mean", "scale"):
            value = torch.tensor(getattr(normalization, name)).view(-1, 1, 1)
            self.register_buffer(name, value, persistent=False)

    def forward(self, image: Num[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        mean, scale = self.get_buffer("mean"), self.get_buffer("scale")
        if self.bgr:
            image = image.flip(1)
        x = image.to(mean.dtype)
        if self.log:
            # Deviation: 0 marks a missing depth; the reference takes its logarithm, -infinity.
            x = x.clamp(min=1).log()
        return (x - mean) / scale
