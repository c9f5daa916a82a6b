"""The skip head: score, upscore, crop, fuse.

Source: Long et al. 2015, 3.3 and 4.2, Figure 3; shelhamer/fcn.berkeleyvision.org net.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, cast, get_args

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from fcn_lightning.models import geometry
from fcn_lightning.models.backbones import Endpoint
from fcn_lightning.models.geometry import Grid
from fcn_lightning.models.surgery import bilinear_kernel

Upscore = Literal["fixed", "learned", "all"]
"""Which upscore layers learn: none ("fixed", the reference), all but the last one ("learned",
CVPR 2015), or "all". Every one starts as bilinear interpolation."""

Fuse = Literal["sum", "max"]
"""The combination of two streams: "sum", or the maximum of each score ("max")."""

ScoreInit = Literal["zero", "random"]
"""The initialization of scoring layers: zeros, or Gaussian weights of `SCORE_STD`."""

SCORE_STD = 0.01
"""Caffe's usual Gaussian filler; CVPR 2015 does not say which one it tried."""


class FixedUpscore(nn.Module):
    """Bilinear upsampling, as a transposed convolution with a fixed kernel.

    A GPU interpolates instead, with the same result up to rounding: FCN-32s took twice as long as
    FCN-8s there, most likely for its kernel of 64 x 64 (docs/gpu.md).
    """

    def __init__(self, num_classes: int, kernel: int, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.num_classes = num_classes
        self.register_buffer("kernel", bilinear_kernel(kernel), persistent=False)

    def forward(self, score: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c H W"]:
        kernel = self.get_buffer("kernel").to(score.dtype)
        if score.is_cuda and len(kernel) == 2 * self.factor:
            return interpolated(score, kernel.sum(0)[: self.factor] / self.factor)
        weight = kernel.expand(self.num_classes, 1, -1, -1)
        return F.conv_transpose2d(score, weight, stride=self.factor, groups=self.num_classes)


def interpolated(
    score: Float[Tensor, "n c h w"], weights: Float[Tensor, " factor"]
) -> Float[Tensor, "n c H W"]:
    """Upsamples by linear interpolation along rows and columns, with zeros around the map.

    Args:
        score: The map.
        weights: Those of the second of two neighbors, for each output between them.
    """
    for side in (2, 3):
        padded = F.pad(score, (0, 0, 1, 1) if side == 2 else (1, 1))
        pairs = padded.shape[side] - 1
        first, second = (padded.narrow(side, i, pairs).unsqueeze(side + 1) for i in (0, 1))
        between = weights.view(-1, 1) if side == 2 else weights
        score = torch.lerp(first, second, between).flatten(side, side + 1)
    return score


def learned_upscore(num_classes: int, kernel: int, factor: int) -> nn.ConvTranspose2d:
    """A dense transposed convolution (every class to every class), initialized as bilinear."""
    layer = nn.ConvTranspose2d(num_classes, num_classes, kernel, stride=factor, bias=False)
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[range(num_classes), range(num_classes)] = bilinear_kernel(kernel)
    return layer


class SkipHead(nn.Module):
    """Scores an endpoint, the last by default, and the skips, and fuses them from coarse to fine.

    The finest endpoint sets the stride of the prediction: without skips it is 32 (FCN-32s), with
    ("pool4", "pool3") it is 8 (FCN-8s). Layers have the reference's names: `score_fr`, `upscore2`,
    `score_pool4`, `upscore_pool4`, ..., `upscore8`, each followed by `suffix`, by which the
    reference tells apart several heads.
    """

    def __init__(
        self,
        endpoints: Mapping[str, Endpoint],
        num_classes: int,
        skips: Sequence[str] = (),
        scales: Sequence[float] | None = None,
        upscore: Upscore = "fixed",
        suffix: str = "",
        fuse: Fuse = "sum",
        score_init: ScoreInit = "zero",
        last: str | None = None,
    ) -> None:
        """Add the layers of each stream, and computes the kernels and crops that align them.

        Args:
            endpoints: The backbone's endpoints, from fine to coarse.
            num_classes: Number of classes, 1 or more.
            skips: Names of endpoints, from coarse to fine.
            scales: One factor for each skip, applied before it is scored; None for none. The
                at-once training of FCN-8s uses (0.01, 0.0001).
            upscore: Which upscore layers learn. A learned one is dense: it maps every class to
                every class.
            suffix: Appended to the name of each layer.
            fuse: How two streams are combined. With "max" only the stream with the larger score
                gets a gradient; CVPR 2015 reports that this "made learning difficult" (4.2).
            score_init: Initialization of the scoring layers; biases are zero. CVPR 2015 found
                random initialization "to yield neither better performance nor faster convergence"
                (4.3).
            last: The coarsest endpoint that is scored, by a layer of its name (`score_pool4`), as
                if the backbone ended there. None for the backbone's last, scored by `score_fr`.
                Source: Shelhamer et al. 2016, the rows pool5, pool4 and pool3 of the skip networks.

        Raises:
            ValueError: An argument is wrong; the message names it and what is allowed.
        """
        super().__init__()
        endpoints = _until(endpoints, last)
        _check(endpoints, num_classes, skips, scales, upscore)
        _check_choice("fuse", fuse, get_args(Fuse))
        _check_choice("score_init", score_init, get_args(ScoreInit))
        self.coarsest = last or "fr"
        self.last, self.skips = list(endpoints)[-1], tuple(skips)
        self.scales = tuple(scales) if scales is not None else (1.0,) * len(self.skips)
        self.num_classes = num_classes
        self.suffix = suffix
        self.fuse = fuse
        self._score_std = SCORE_STD if score_init == "random" else 0.0
        self._names: list[str] = []
        self._crops: list[tuple[int, int]] = []

        self._add_score(self.coarsest, endpoints[self.last].channels)
        grid = endpoints[self.last].grid
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
                f"The upscored map starts {self._crops[-1][1]} pixels inside the image and does "
                "not cover it. Increase the padding of the backbone."
            )

    def _add_score(self, endpoint: str, channels: int) -> None:
        layer = nn.Conv2d(channels, self.num_classes, 1)
        nn.init.zeros_(cast(Tensor, layer.bias))
        if self._score_std:
            nn.init.normal_(layer.weight, std=self._score_std)
        else:
            nn.init.zeros_(layer.weight)
        self.add_module(f"score_{endpoint}{self.suffix}", layer)

    def _add_upscore(
        self, name: str, grid: Grid, target: Grid, factor: int, *, learned: bool
    ) -> Grid:
        """Add the upscore layer from `grid` to the stride of `target`; return the fused grid."""
        kernel = geometry.upscore_kernel(grid, factor, target)
        make = learned_upscore if learned else FixedUpscore
        self.add_module(name + self.suffix, make(self.num_classes, kernel, factor))
        upscored = grid.upscored(kernel, factor)
        distance = int(upscored.pixels_to(target))
        self._names.append(name)
        self._crops.append((max(distance, 0), max(-distance, 0)))
        return upscored if distance <= 0 else target

    @property
    def crops(self) -> dict[str, tuple[int, int]]:
        """For each upscore layer, the crops of its output and of the map that it is added to.

        A crop is the number of rows at the top and of columns on the left that are cut off.
        """
        return dict(zip(self._names, self._crops, strict=True))

    def forward(
        self, maps: Mapping[str, Float[Tensor, "n _ _ _"]], size: tuple[int, int]
    ) -> Float[Tensor, "n classes h w"]:
        """The scores of images of `size` (h, w) from their endpoints."""
        return self.upscored(self.fused(maps), size)

    def fused(self, maps: Mapping[str, Float[Tensor, "n _ _ _"]]) -> Float[Tensor, "n classes _ _"]:
        """The fused scores of all streams, at the stride of the finest one."""
        score = self._score(self.coarsest, maps[self.last])
        for name, skip, scale, crop in zip(self._names, self.skips, self.scales, self._crops):
            skip_map = maps[skip] if scale == 1 else maps[skip] * scale
            streams = _aligned(self._upscore(name, score), self._score(skip, skip_map), *crop)
            score = torch.maximum(*streams) if self.fuse == "max" else torch.add(*streams)
        return score

    def upscored(
        self, score: Float[Tensor, "n classes _ _"], size: tuple[int, int]
    ) -> Float[Tensor, "n classes h w"]:
        """The output of `fused`, upscored and cropped to images of `size` (h, w)."""
        score, (start, _) = self._upscore(self._names[-1], score), self._crops[-1]
        return score[:, :, start : start + size[0], start : start + size[1]]

    def _score(self, endpoint: str, feature: Tensor) -> Tensor:
        """Scores an endpoint; the result is float32 even if the network runs in half precision."""
        score = self.get_submodule(f"score_{endpoint}{self.suffix}")(feature)
        return score.to(torch.promote_types(score.dtype, torch.float32))

    def _upscore(self, name: str, score: Tensor) -> Tensor:
        """Upscores in float32 even if the network runs in half precision: scores are sums."""
        with torch.autocast(score.device.type, enabled=False):
            return self.get_submodule(name + self.suffix)(score)


def _aligned(a: Tensor, b: Tensor, crop_a: int, crop_b: int) -> tuple[Tensor, Tensor]:
    """Crops two maps to the same start, and to where they overlap.

    A slice ends at the end of the map, so that no comparison is needed, which tracing would replace
    by its result.
    """
    a, b = a[:, :, crop_a:, crop_a:], b[:, :, crop_b:, crop_b:]
    a = a[:, :, : b.shape[2], : b.shape[3]]
    return a, b[:, :, : a.shape[2], : a.shape[3]]


def _until(endpoints: Mapping[str, Endpoint], last: str | None) -> dict[str, Endpoint]:
    """The endpoints up to `last`, or all if it is None."""
    if last is not None and last not in endpoints:
        raise ValueError(
            f"`last` must name an endpoint of the backbone ({', '.join(endpoints)}); got {last!r}."
        )
    names = list(endpoints)
    return {name: endpoints[name] for name in names[: names.index(last) + 1 if last else None]}


def _check(
    endpoints: Mapping[str, Endpoint],
    num_classes: int,
    skips: Sequence[str],
    scales: Sequence[float] | None,
    upscore: str,
) -> None:
    *finer, last = endpoints
    if num_classes < 1:
        raise ValueError(f"A head must score at least one class; got {num_classes}.")
    strides = [endpoints[last].grid.stride]
    strides += [endpoints[name].grid.stride for name in skips if name in finer]
    if len(strides) <= len(skips) or any(a <= b for a, b in zip(strides, strides[1:])):
        allowed = [n for n in finer if endpoints[n].grid.stride < strides[0]]
        raise ValueError(
            "`skips` must name endpoints of the backbone from coarse to fine "
            f"({', '.join(reversed(allowed))}); got {tuple(skips)}."
        )
    if scales is not None and len(scales) != len(skips):
        raise ValueError(
            f"`scales` must hold one factor for each of {tuple(skips)}; got {tuple(scales)}."
        )
    _check_choice("upscore", upscore, get_args(Upscore))


def _check_choice(argument: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ValueError(f"`{argument}` must be one of {', '.join(choices)}; got {value!r}.")
