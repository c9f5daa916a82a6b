"""Tiles of an image whose scores equal those of the whole image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import cast

import numpy as np
from numpy import ndarray

from fcn_lightning.models import FCN, LateFusion


@dataclass(frozen=True)
class Span:
    """A tile along one side: it covers `start` to `stop`; `first` to `last` are kept."""

    start: int
    stop: int
    first: int
    last: int

    @property
    def kept(self) -> slice:
        """The part of the side that is kept."""
        return slice(self.first, self.last)

    @property
    def inner(self) -> slice:
        """The same part, counted from the start of the tile."""
        return slice(self.first - self.start, self.last - self.start)


@dataclass(frozen=True)
class Tiling:
    """A way to cut an image in which every kept score sees the same pixels as in the whole image.

    Attributes:
        alignment: Tiles start at multiples of it, and end a multiple of it before the image's end:
            their feature maps are then parts of the image's own, also in a mirrored version.
        margin: Pixels around the kept part that influence it: half the receptive field of the
            coarsest endpoint, and what its bilinear upscore layers reach.
        multiple: The image is extended to multiples of it before it is cut.
    """

    alignment: int
    margin: int
    multiple: int = 1

    @classmethod
    def of(cls, network: FCN | LateFusion, scales: Sequence[Fraction] = (Fraction(1),)) -> Tiling:
        """The tiling for a network that sees an image at these scales.

        A network that scales the image itself (`image_scale`) rounds the size of the scaled image.
        Its tiles equal the whole only if the image's sides are multiples of `multiple`; otherwise
        they are shifted by a fraction of a pixel.
        """
        branches = _branches(network)
        own = Fraction(str(getattr(network, "image_scale", 1)))
        alignment, multiple, margin = 1, 1, 0
        for branch, scale in product(branches, scales):
            factor = scale * own
            grids = [endpoint.grid for endpoint in branch.backbone.endpoints.values()]
            multiple = math.lcm(multiple, factor.denominator if own != 1 else 1)
            alignment = math.lcm(alignment, scale.denominator)
            for grid in grids:
                alignment = math.lcm(alignment, (grid.stride / factor).numerator)
            reach = max((g.receptive_field - 1) / 2 + 2 * g.stride for g in grids)
            resampling = 2 * max(Fraction(1), 1 / factor)
            margin = max(margin, math.ceil(reach / factor + resampling))
        return cls(math.lcm(alignment, multiple), margin, multiple)

    @property
    def smallest(self) -> int:
        """The smallest side that tiles can have."""
        return self._around + self.alignment

    def spans(self, side: int, largest: int) -> list[Span]:
        """Cut a side of an image into tiles of at most `largest` pixels."""
        if side <= largest:
            return [Span(0, side, 0, side)]
        step = (largest - self._around) // self.alignment * self.alignment
        return [self._span(first, min(first + step, side), side) for first in range(0, side, step)]

    def extended(self, side: int) -> int:
        """The length of a side after it is extended to a multiple of `multiple`."""
        return -(-side // self.multiple) * self.multiple

    @property
    def _before(self) -> int:
        """The margin before the kept part, a multiple of the alignment."""
        return -(-self.margin // self.alignment) * self.alignment

    @property
    def _around(self) -> int:
        return self._before + self.margin + self.alignment - 1

    def _span(self, first: int, last: int, side: int) -> Span:
        cut = (side - min(last + self.margin, side)) // self.alignment * self.alignment
        return Span(max(0, first - self._before), side - cut, first, last)


def _branches(network: FCN | LateFusion) -> list[FCN]:
    if isinstance(network, LateFusion):
        return cast(list[FCN], list(network.branches.values()))
    return [network]


def cut(image: ndarray, rows: Span, columns: Span) -> ndarray:
    """The pixels of a tile; beyond the image its last row and column are repeated."""
    part = image[rows.start : rows.stop, columns.start : columns.stop]
    below = rows.stop - rows.start - part.shape[0]
    right = columns.stop - columns.start - part.shape[1]
    if not (below or right):
        return part
    return np.pad(part, ((0, below), (0, right), *[(0, 0)] * (part.ndim - 2)), mode="edge")
