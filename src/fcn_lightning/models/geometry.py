"""Where the pixels of a feature map lie in the image, in exact fractions.

Every crop offset and every upscore kernel of the networks is computed here; none is typed in.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from torch import nn


@dataclass(frozen=True)
class Window:
    """The sliding window of one layer: kernel, stride and padding, in pixels of its input.

    `ceil` is Caffe's pooling: the last window may reach over the border.
    """

    kernel: int
    stride: int = 1
    pad: int = 0
    ceil: bool = False

    def out_size(self, size: int) -> int:
        """Number of windows along a side of `size` pixels; 0 or less where not one fits."""
        span = size + 2 * self.pad - self.kernel
        return (-(-span // self.stride) if self.ceil else span // self.stride) + 1


@dataclass(frozen=True)
class Grid:
    """The pixels of a map as points of the image: pixel i lies at `offset + i * stride`.

    Image pixel i lies at i, so the image's own grid is `Grid()`. `field` is the side of the
    receptive field of one pixel.
    """

    offset: Fraction = Fraction(0)
    stride: Fraction = Fraction(1)
    field: Fraction = Fraction(1)

    def after(self, window: Window) -> Grid:
        """The grid of the map that a convolution or pooling with this window makes."""
        return Grid(
            offset=self.offset + self.stride * (Fraction(window.kernel - 1, 2) - window.pad),
            stride=self.stride * window.stride,
            field=self.field + self.stride * (window.kernel - 1),
        )

    def upscored(self, kernel: int, factor: int) -> Grid:
        """The grid after a transposed convolution of this kernel and stride, without padding."""
        return Grid(
            offset=self.offset - self.stride * Fraction(kernel - 1, 2) / factor,
            stride=self.stride / factor,
            field=self.field,
        )

    def steps_to(self, other: Grid) -> Fraction:
        """How many pixels of this grid lie before the first pixel of `other`, of equal stride."""
        return (other.offset - self.offset) / self.stride


def window_of(layer: nn.Module) -> Window | None:
    """The window of a convolution or a pooling layer; None for a layer that works pointwise.

    A block of several layers says it itself, by its attribute `window`.

    Raises:
        TypeError: The layer's geometry is not known here.
    """
    if isinstance(own := getattr(layer, "window", None), Window):
        return own
    if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
        (kernel, stride, pad) = (_side(v) for v in (layer.kernel_size, layer.stride, layer.padding))
        return Window(kernel, stride, pad, ceil=bool(getattr(layer, "ceil_mode", False)))
    if isinstance(layer, nn.ReLU | nn.Dropout | nn.LocalResponseNorm):
        return None
    raise TypeError(f"The geometry of a {type(layer).__name__} layer is not known.")


def smallest_input(windows: list[Window]) -> int:
    """The smallest side of an image for which every window of the chain fits at least once."""

    def fits(size: int) -> bool:
        for window in windows:
            size = window.out_size(size)
            if size < 1:
                return False
        return True

    return next(size for size in range(1, 10_000) if fits(size))


def upscore_kernel(grid: Grid, factor: int, target: Grid) -> int:
    """The side of the bilinear kernel, 2s or 2s - 1, that puts the upscored map on `target`'s grid.

    On the grid means that the two begin a whole number of pixels apart: 64 for VGG-16's factor 32,
    63 for AlexNet's.

    Raises:
        ValueError: Neither kernel does.
    """
    for kernel in (2 * factor, 2 * factor - 1):
        if grid.upscored(kernel, factor).steps_to(target).denominator == 1:
            return kernel
    raise ValueError(
        f"A map that begins at {grid.offset} with stride {grid.stride} must meet the one that "
        f"begins at {target.offset} with stride {target.stride} on whole pixels after upscoring by "
        f"{factor}; neither kernel {2 * factor} nor {2 * factor - 1} does that."
    )


def _side(value: int | str | tuple[int, ...]) -> int:
    """The one number of a square kernel, stride or padding."""
    if isinstance(value, int):
        return value
    if isinstance(value, tuple) and len(set(value)) == 1:
        return value[0]
    raise TypeError(f"Windows must be square; got {value!r}.")
