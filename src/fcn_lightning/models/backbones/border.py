"""The constant border of a padded image, computed once and repeated.

The reference pads the first convolution by 100 pixels: more than half of what the early layers of
VGG-16 compute for an image of 375 x 500. Between the outer edge and the image, where a map depends
on neither, its columns are equal, and so are its rows. So each stage, up to a pooling layer, is
computed with a border in which few of them remain, and one of them is repeated in its output. The
values are those of the whole border up to rounding, and so are the gradients.

Example, VGG-16: pool1 is computed with a padding of 8 pixels in place of 100, and its column 1 is
then repeated 46 times.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from fcn_lightning.models.geometry import Window

Ends = tuple[int, int]
"""A number for the start of each side (top and left), and one for its end (bottom and right)."""


@dataclass(frozen=True)
class Border:
    """The part of the border that one stage leaves out: numbers of rows, and as many columns.

    Attributes:
        cut: Left out of the stage's input.
        missing: Therefore missing in its output.
        constant: One of the equal ones of its output, counted from its end of the side.
    """

    cut: Ends = (0, 0)
    missing: Ends = (0, 0)
    constant: Ends = (0, 0)

    def padded(
        self, convolution: nn.Conv2d, image: Float[Tensor, "n c h w"]
    ) -> Float[Tensor, "n c _ _"]:
        """The image with the padding of the first layer, narrower by `cut`."""
        before, after = (int(convolution.padding[0]) - cut for cut in self.cut)
        return F.pad(image, (before, after, before, after))

    def completed(self, x: Float[Tensor, "n c _ _"], cut: Ends = (0, 0)) -> Tensor:
        """The output of the stage with all of its border but `cut`."""
        before, after = (missing - less for missing, less in zip(self.missing, cut))
        if (before, after) == (0, 0):
            return x
        channels_last = not x.is_contiguous() and x.stride(1) == 1
        if channels_last:  # torch.cat would forget this order
            x = x.permute(0, 2, 3, 1)
        for side in (2, 1) if channels_last else (3, 2):
            x = _repeated(x, side, self.constant, (before, after))
        return x.permute(0, 3, 1, 2) if channels_last else x


def convolved(
    layer: nn.Conv2d, x: Float[Tensor, "n c h w"], padding: tuple[int, int]
) -> Float[Tensor, "n _ _ _"]:
    """The output of a convolution with another padding than its own."""
    weights = layer.weight, layer.bias
    return F.conv2d(x, *weights, layer.stride, padding, layer.dilation, layer.groups)


def _repeated(x: Tensor, side: int, constant: Ends, times: Ends) -> Tensor:
    """`x` with one more of each constant row (or column) for each of `times`."""
    first, last = constant[0], x.shape[side] - 1 - constant[1]
    parts = [
        x.narrow(side, 0, first),
        x.narrow(side, first, 1).repeat_interleave(times[0] + 1, side),
        x.narrow(side, first + 1, last - first - 1),
        x.narrow(side, last, 1).repeat_interleave(times[1] + 1, side),
        x.narrow(side, last + 1, constant[1]),
    ]
    return torch.cat(parts, side)


@dataclass(frozen=True)
class _Side:
    """A map along one side: its size, and the runs of equal pixels before and after the image."""

    size: int
    before: range
    after: range

    def through(self, window: Window) -> _Side:
        """The output of a layer: equal where its window lies within equal pixels."""

        def equal(run: range) -> range:
            first = math.ceil((run.start + window.pad) / window.stride)
            last = (run.stop + window.pad - window.kernel) // window.stride
            return range(first, last + 1)

        return _Side(window.out_size(self.size), equal(self.before), equal(self.after))


@functools.cache
def narrow_borders(stages: tuple[tuple[Window, ...], ...]) -> tuple[Border, ...]:
    """The borders of a network's first stages; none where nothing can be left out.

    They are the same for images of every size.

    Args:
        stages: The windows of each stage; the padding of the first window is the whole border.
    """
    pad = stages[0][0].pad
    period = math.prod(window.stride for stage in stages for window in stage)
    sides = [
        _Side(pad + size + pad, range(pad), range(pad + size, pad + size + pad))
        for size in range(1, period + 1)
    ]
    borders: list[Border] = []
    available = pad, pad
    for number, (first, *others) in enumerate(stages):
        windows = (first if number else replace(first, pad=0), *others)
        sides = [functools.reduce(_Side.through, windows, side) for side in sides]
        constant = max(s.before.start for s in sides), max(s.size - s.after.stop for s in sides)
        equal = (
            min(s.before.stop for s in sides) - constant[0],
            min(s.size - s.after.start for s in sides) - constant[1],
        )
        stride = math.prod(window.stride for window in windows)
        missing = [min(n - 1, left // stride) for n, left in zip(equal, available)]
        if min(missing) < 0 or not any(missing):
            break
        available = missing[0], missing[1]
        borders.append(Border((stride * missing[0], stride * missing[1]), available, constant))
    return tuple(borders)
