"""The skip head: score, upscore, crop, fuse.

Source: Long et al. 2015, 3.3 and 4.2, Figure 3; shelhamer/fcn.berkeleyvision.org net.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from fcn_lightning.models import geometry
from fcn_lightning.models.backbones import Endpoint
from fcn_lightning.models.geometry import Grid
from fcn_lightning.models.surgery import bilinear_kernel

Upscore = Literal["fixed", "learned", "all"]
"""Bilinear and fixed, as the reference; the intermediate ones learned, as CVPR 2015; or all."""


class FixedUpscore(nn.Module):
    """Bilinear upsampling by a transposed convolution whose kernel is not learned."""

    def __init__(self, num_classes: int, kernel: int, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.num_classes = num_classes
        self.register_buffer("kernel", bilinear_kernel(kernel), persistent=False)

    def forward(self, score: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c H W"]:
        weight = self.get_buffer("kernel").to(score.dtype).expand(self.num_classes, 1, -1, -1)
        return F.conv_transpose2d(score, weight, stride=self.factor, groups=self.num_classes)


def learned_upscore(num_classes: int, kernel: int, factor: int) -> nn.ConvTranspose2d:
    """A transposed convolution from every class to every class that starts as the bilinear one."""
    layer = nn.ConvTranspose2d(num_classes, num_classes, kernel, stride=factor, bias=False)
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[range(num_classes), range(num_classes)] = bilinear_kernel(kernel)
    return layer


class SkipHead(nn.Module):
    """Scores the last endpoint and the skips, and fuses them from coarse to fine.

    The stride of the prediction follows from the finest endpoint: no skips make 32s,
    ("pool4", "pool3") make 8s. Layers are named as in the reference: `score_fr`, `upscore2`,
    `score_pool4`, `upscore_pool4`, ..., `upscore8`. Scoring layers start at zero. A `suffix` stands
    behind each name, as the reference has it where a network holds several heads.
    """

    def __init__(
        self,
        endpoints: Mapping[str, Endpoint],
        num_classes: int,
        skips: Sequence[str] = (),
        scales: Sequence[float] | None = None,
        upscore: Upscore = "fixed",
        suffix: str = "",
    ) -> None:
        """Lays out the streams and computes how much of each is cropped where two meet.

        Args:
            endpoints: The backbone's, from fine to coarse; the last one is scored as `score_fr`.
            num_classes: Classes to score, 1 or more.
            skips: Names of endpoints, from coarse to fine.
            scales: One factor for each skip, applied before it is scored (the paper's at-once
                training); None for none.
            upscore: Which upscore layers learn; one that does is dense, from every class to every
                class.
            suffix: Stands behind each layer's name.

        Raises:
            ValueError: One of the arguments does not fit; the text says which and what would.
        """
        super().__init__()
        *finer, last = endpoints
        if num_classes < 1:
            raise ValueError(f"A head must score at least one class; got {num_classes}.")
        strides = [endpoints[last].grid.stride]
        strides += [endpoints[name].grid.stride for name in skips if name in finer]
        if len(strides) <= len(skips) or any(a <= b for a, b in zip(strides, strides[1:])):
            allowed = [n for n in finer if endpoints[n].grid.stride < strides[0]]
            raise ValueError(
                f"`skips` must name endpoints of the backbone ({', '.join(reversed(allowed))}), "
                f"coarse to fine; got {tuple(skips)}."
            )
        if scales is not None and len(scales) != len(skips):
            raise ValueError(
                f"`scales` must hold one factor for each of {tuple(skips)}; got {tuple(scales)}."
            )
        if upscore not in get_args(Upscore):
            raise ValueError(
                f"`upscore` must be one of {', '.join(get_args(Upscore))}; got {upscore!r}."
            )
        self.last, self.skips = last, tuple(skips)
        self.scales = tuple(scales) if scales is not None else (1.0,) * len(self.skips)
        self.num_classes = num_classes
        self.suffix = suffix
        self._names: list[str] = []
        self._crops: list[tuple[int, int]] = []

        self._add_score("fr", endpoints[last].channels)
        grid = endpoints[last].grid
        for above, skip in zip((None, *self.skips), self.skips):
            self._add_score(skip, endpoints[skip].channels)
            target = endpoints[skip].grid
            factor = int(grid.stride / target.stride)
            name = f"upscore_{above}" if above else f"upscore{factor}"
            grid = self._add_upscore(name, grid, target, factor, learned=upscore != "fixed")
        factor = int(grid.stride)
        name = f"upscore{factor}" if skips and f"upscore{factor}" not in self._names else "upscore"
        self._add_upscore(name, grid, Grid(), factor, learned=upscore == "all")
        if self._crops[-1][1]:
            raise ValueError(
                "The upscored map must begin before the image's first pixel; it begins "
                f"{self._crops[-1][1]} pixels after it. Pad the backbone more."
            )

    def _add_score(self, endpoint: str, channels: int) -> None:
        layer = nn.Conv2d(channels, self.num_classes, 1)
        for parameter in layer.parameters():
            nn.init.zeros_(parameter)
        self.add_module(f"score_{endpoint}{self.suffix}", layer)

    def _add_upscore(
        self, name: str, grid: Grid, target: Grid, factor: int, *, learned: bool
    ) -> Grid:
        """Adds the layer that brings `grid` to `target`'s stride; returns the fused map's grid."""
        kernel = geometry.upscore_kernel(grid, factor, target)
        make = learned_upscore if learned else FixedUpscore
        self.add_module(name + self.suffix, make(self.num_classes, kernel, factor))
        upscored = grid.upscored(kernel, factor)
        steps = int(upscored.steps_to(target))
        self._names.append(name)
        self._crops.append((max(steps, 0), max(-steps, 0)))
        return upscored if steps <= 0 else target

    @property
    def crops(self) -> dict[str, tuple[int, int]]:
        """For each upscore layer, how many rows are cropped from it and from what it meets."""
        return dict(zip(self._names, self._crops, strict=True))

    def forward(
        self, maps: Mapping[str, Float[Tensor, "n _ _ _"]], size: tuple[int, int]
    ) -> Float[Tensor, "n classes h w"]:
        """The scores of an image of `size` (h, w) from its endpoints."""
        return self.upscored(self.fused(maps), size)

    def fused(self, maps: Mapping[str, Float[Tensor, "n _ _ _"]]) -> Float[Tensor, "n classes _ _"]:
        """The sum of all streams, on the grid of the finest one."""
        score = self._score("fr", maps[self.last])
        for name, skip, scale, crop in zip(self._names, self.skips, self.scales, self._crops):
            skip_map = maps[skip] if scale == 1 else maps[skip] * scale
            score = _fuse(self._upscore(name, score), self._score(skip, skip_map), *crop)
        return score

    def upscored(
        self, score: Float[Tensor, "n classes _ _"], size: tuple[int, int]
    ) -> Float[Tensor, "n classes h w"]:
        """What `fused` gave, brought to the image of `size` (h, w)."""
        score, (begin, _) = self._upscore(self._names[-1], score), self._crops[-1]
        return score[:, :, begin : begin + size[0], begin : begin + size[1]]

    def _score(self, endpoint: str, feature: Tensor) -> Tensor:
        """Scores of a map, in float32 also where the network runs in half precision."""
        score = self.get_submodule(f"score_{endpoint}{self.suffix}")(feature)
        return score.to(torch.promote_types(score.dtype, torch.float32))

    def _upscore(self, name: str, score: Tensor) -> Tensor:
        """Upscored in float32 also where the network runs in half precision: scores are sums."""
        with torch.autocast(score.device.type, enabled=False):
            return self.get_submodule(name + self.suffix)(score)


def _fuse(a: Tensor, b: Tensor, crop_a: int, crop_b: int) -> Tensor:
    """The sum of two maps where both are, cropped to begin at the same point."""
    a, b = a[:, :, crop_a:, crop_a:], b[:, :, crop_b:, crop_b:]
    h, w = min(a.shape[2], b.shape[2]), min(a.shape[3], b.shape[3])
    return a[:, :, :h, :w] + b[:, :, :h, :w]
