"""The places of a tensor's values in the image, and how they survive a change of shape."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from fcn_lightning.models.geometry import Grid, Window


class UnplacedError(Exception):
    """An operation after which values have no place in the image; the text says what it does."""


@dataclass(frozen=True)
class Whole:
    """The place of values that sum up the whole image, such as an average over all pixels."""


@dataclass(frozen=True)
class Map:
    """The places of the pixels of a tensor.

    Attributes:
        axes: For each dimension: "h" or "w"; "hw" where both are merged; "" for others.
        grids: The places along h and along w.
        sizes: The numbers of pixels along h and along w.
        gated: The values depend on the whole image too.
    """

    axes: tuple[str, ...]
    grids: Mapping[str, Grid]
    sizes: Mapping[str, int]
    gated: bool = False

    def with_axes(self, axes: Iterable[str]) -> Map:
        """The same pixels in other dimensions."""
        return replace(self, axes=tuple(axes))

    def after(self, windows: Sequence[Window], shape: Sequence[int]) -> Map:
        """The output, of this shape, of a convolution or pooling layer with windows in h and w.

        Raises:
            UnplacedError: The last two dimensions are not h and w.
        """
        if self.axes[-2:] != ("h", "w"):
            raise UnplacedError("slides a window over other axes than h and w")
        pairs = dict(zip("hw", windows, strict=True))
        grids = {axis: self.grids[axis].after(window) for axis, window in pairs.items()}
        return replace(self, grids=grids, sizes=dict(zip("hw", shape[-2:])))

    def reshaped(self, old: Sequence[int], new: Sequence[int]) -> Map:
        """The same pixels after the shape `old` has become the shape `new`.

        Raises:
            UnplacedError: A dimension would hold a part of an axis, or pixels and channels.
        """
        parts: list[tuple[str, int]] = []
        for axis, size in zip(self.axes, old, strict=True):
            parts += [(each, self.sizes[each]) for each in axis] or [("", size)]
        parts = [(axis, size) for axis, size in parts if axis or size > 1][::-1]
        axes = []
        for size in new:
            taken, left = [], size
            while left > 1:
                axis, part = parts.pop()
                if part > left and not axis and part % left == 0:
                    parts.append(("", part // left))
                    part = left
                if left % part:
                    raise UnplacedError("cuts the map into windows")
                taken.append(axis)
                left //= part
            if "" in taken and any(taken):
                raise UnplacedError("merges pixels with channels")
            axes.append("".join(taken))
        return self.with_axes(axes)


Place = Map | Whole


def joined(places: Sequence[Place], rank: int) -> Place:
    """The places of a result of `rank` dimensions to which all values at one place contribute.

    Values of the whole image, which gate a map, leave its places as they are.

    Raises:
        UnplacedError: Pixels of different places meet.
    """
    maps = [place for place in places if isinstance(place, Map)]
    if not maps:
        return Whole()
    axes, grids = [""] * rank, dict(maps[0].grids)
    for each in maps:
        for i, axis in enumerate(("",) * (rank - len(each.axes)) + each.axes):
            if axis and axes[i] not in ("", axis):
                raise UnplacedError("combines h with w")
            axes[i] = axis or axes[i]
        for axis, grid in each.grids.items():
            grids[axis] = _agreeing(axis, grids[axis], grid)
    gated = len(maps) < len(places) or any(each.gated for each in maps)
    return Map(tuple(axes), grids, maps[0].sizes, gated)


def _agreeing(axis: str, a: Grid, b: Grid) -> Grid:
    if (a.offset, a.stride) != (b.offset, b.stride):
        raise UnplacedError(
            f"combines branches whose pixels lie at different places (along {axis}, offset "
            f"{a.offset} and stride {a.stride}; offset {b.offset} and stride {b.stride})"
        )
    return a if a.receptive_field >= b.receptive_field else b
