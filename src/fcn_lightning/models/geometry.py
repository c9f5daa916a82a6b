"""Where the pixels of a feature map lie in the image, in exact fractions.

Every crop offset and upscore kernel of the networks is computed from this geometry; none is typed
in. Example, FCN-32s on VGG-16 padded by 100: pixel i of fc7 lies at 32 i + 12.5 of the image. An
upscore layer of kernel 64 and stride 32 moves the first pixel to 12.5 - 31.5 = -19, so its output
is cropped by 19.

FCN-16s: `upscore2` (kernel 4) moves fc7's first pixel from 12.5 to 12.5 - 24 = -11.5. pool4 starts
at -91.5, which is 5 of its pixels of 16 earlier, so its scores are cropped by 5. `upscore16`
(kernel 32) moves -11.5 to -11.5 - 15.5 = -27, so its output is cropped by 27.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from torch import nn


@dataclass(frozen=True)
class Window:
    """The sliding window of one layer: kernel, stride and padding, in pixels of its input.

    The kernel of a dilated layer is the side of all that it spans.
    With `ceil`, as in Caffe's pooling layers, the last window may cross the border.
    """

    kernel: int
    stride: int = 1
    pad: int = 0
    ceil: bool = False

    def out_size(self, size: int) -> int:
        """Number of windows along a side of `size` pixels; 0 or less if none fits."""
        span = size + 2 * self.pad - self.kernel
        return (-(-span // self.stride) if self.ceil else span // self.stride) + 1


@dataclass(frozen=True)
class Grid:
    """The positions of a map's pixels in the image: pixel i lies at `offset + i * stride`.

    The grid of the image itself is `Grid()`. `receptive_field` is the side of the receptive field
    of one pixel.
    """

    offset: Fraction = Fraction(0)
    stride: Fraction = Fraction(1)
    receptive_field: Fraction = Fraction(1)

    def after(self, window: Window) -> Grid:
        """The grid of the output of a convolution or pooling layer with this window."""
        return Grid(
            offset=self.offset + self.stride * (Fraction(window.kernel - 1, 2) - window.pad),
            stride=self.stride * window.stride,
            receptive_field=self.receptive_field + self.stride * (window.kernel - 1),
        )

    def upscored(self, kernel: int, factor: int) -> Grid:
        """The grid of the output of an unpadded transposed convolution with stride `factor`."""
        return Grid(
            offset=self.offset - self.stride * Fraction(kernel - 1, 2) / factor,
            stride=self.stride / factor,
            receptive_field=self.receptive_field,
        )

    def inside(self, side: int) -> range:
        """The pixels whose receptive field lies inside an image of `side` pixels.

        No padding, and no window that crosses the border, changes their values.
        """
        margin = (self.receptive_field - 1) / 2
        first = math.ceil((margin - self.offset) / self.stride)
        last = math.floor((side - 1 - margin - self.offset) / self.stride)
        return range(first, last + 1)

    def pixels_to(self, other: Grid) -> Fraction:
        """Number of pixels of this grid before the first pixel of `other`, of equal stride."""
        return (other.offset - self.offset) / self.stride


def window_of(layer: nn.Module) -> Window | None:
    """The window of a convolution or pooling layer; None for a pointwise layer.

    A dilated kernel counts with its holes. A block of several layers declares its window as an
    attribute `window`.

    Raises:
        TypeError: The geometry of this type of layer is unknown.
    """
    if isinstance(own := getattr(layer, "window", None), Window):
        return own
    if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
        (kernel, stride, pad, dilation) = (
            _side(v) for v in (layer.kernel_size, layer.stride, layer.padding, layer.dilation)
        )
        ceil = bool(getattr(layer, "ceil_mode", False))
        return Window(dilation * (kernel - 1) + 1, stride, pad, ceil)
    if isinstance(layer, nn.ReLU | nn.Dropout | nn.LocalResponseNorm):
        return None
    raise TypeError(f"The geometry of {type(layer).__name__} layers is unknown.")


def smallest_input(windows: list[Window]) -> int:
    """The smallest side of an image in which every window of a chain fits at least once."""

    def fits(size: int) -> bool:
        for window in windows:
            size = window.out_size(size)
            if size < 1:
                return False
        return True

    return next(size for size in range(1, 10_000) if fits(size))


def upscore_kernel(grid: Grid, factor: int, target: Grid) -> int:
    """The side of the bilinear kernel that aligns the upscored map with the pixels of `target`.

    For an upscore factor s it is 2s or 2s - 1, whichever makes the two maps start a whole number of
    pixels apart: for factor 32, 64 with VGG-16 and 63 with AlexNet.

    Raises:
        ValueError: Neither kernel aligns the maps.
    """
    for kernel in (2 * factor, 2 * factor - 1):
        if grid.upscored(kernel, factor).pixels_to(target).denominator == 1:
            return kernel
    raise ValueError(
        f"A map with offset {grid.offset} and stride {grid.stride}, upscored by {factor}, cannot "
        f"be aligned with a map with offset {target.offset} and stride {target.stride}: neither "
        f"kernel {2 * factor} nor {2 * factor - 1} gives a distance of whole pixels."
    )


def _side(value: int | str | tuple[int, ...]) -> int:
    """The side of a square kernel, stride, padding or dilation."""
    if isinstance(value, int):
        return value
    if isinstance(value, tuple) and len(set(value)) == 1:
        return value[0]
    raise TypeError(f"Windows must be square; got {value!r}.")
