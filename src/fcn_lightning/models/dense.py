"""Dense evaluation: patch by patch, by shift-and-stitch, and by filter rarefaction (a trous).

A network of stride 32 has one output for every 32 x 32 pixels of the image. Three ways give more of
them, up to one for each pixel:

- `patch_by_patch` runs the network on a patch of the image for each output.
- `shift_and_stitch` runs it on shifted images and interlaces the outputs.
- `a_trous` makes a network of smaller stride: layers lose their stride, and dilation enlarges the
  filters after them.

All three are equal, up to rounding, wherever a receptive field lies inside the image
(`DenseMap.inside`); there they also equal the network's own outputs. This holds for the layers of
all backbones: groups of convolutions and response normalization work across channels, and the
windows that ceil-mode pooling adds cross the border of the image. Elsewhere the three differ: the
zeros that the inner layers pad lie at the border of a patch, of a shifted image or of the image.

A network with dropout must be in evaluation mode.

Source: Long et al. 2015, 3.1 and 3.2.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import product
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from fcn_lightning.models.backbones import Chain
from fcn_lightning.models.geometry import Grid, Window, window_of


class DenseMap(NamedTuple):
    """A map, and where its pixels lie in the image."""

    values: Float[Tensor, "n c _ _"]
    grid: Grid

    def inside(self, h: int, w: int) -> DenseMap:
        """Crop to the pixels whose receptive field lies inside an image of h x w pixels."""
        rows, columns = self.grid.inside(h), self.grid.inside(w)
        first = max(rows.start, 0)  # a grid starts alike in rows and columns
        values = self.values[:, :, first : max(rows.stop, 0), first : max(columns.stop, 0)]
        offset = self.grid.offset + self.grid.stride * first
        return DenseMap(values, replace(self.grid, offset=offset))


def whole_image(backbone: Chain, image: Float[Tensor, "n c h w"]) -> DenseMap:
    """Run a backbone on a whole image.

    Args:
        backbone: Any backbone; its last endpoint is the output.
        image: A normalized image.

    Returns:
        The last endpoint, at its own stride.
    """
    name, grid = _output(backbone)
    return DenseMap(backbone(image)[name], grid)


def patch_by_patch(
    backbone: Chain, image: Float[Tensor, "n c h w"], stride: int | None = None, batch: int = 16
) -> DenseMap:
    """Run a backbone on the receptive field of each output, one after the other.

    A patch has the side of the receptive field, plus the pixels by which the first receptive field
    inside an image is away from its border: 404 + 6 for VGG-16 with "same" padding. Only the one
    output whose receptive field lies inside the patch is kept.

    Args:
        backbone: Any backbone; its last endpoint is the output.
        image: A normalized image.
        stride: Distance of the outputs in pixels; by default that of the backbone.
        batch: Number of patches in one forward pass.

    Returns:
        The outputs whose receptive field lies inside the image.

    Raises:
        ValueError: `stride` is not positive, or no receptive field lies inside the image.
    """
    name, grid = _output(backbone)
    stride, field = int(grid.stride) if stride is None else stride, int(grid.receptive_field)
    (h, w), index = image.shape[2:], grid.inside(field).start
    if stride < 1:
        raise ValueError(f"`stride` must be 1 or more; got {stride}.")
    if min(h, w) < field:
        raise ValueError(
            f"An image must have the size of the receptive field, {field} x {field}, or more; got "
            f"{h} x {w}."
        )
    margin = int(grid.offset + grid.stride * index - Fraction(field - 1, 2))
    image = F.pad(image, (margin, 0, margin, 0))  # a receptive field never reaches these zeros
    rows, columns = (range(margin % stride, side - field + 1, stride) for side in (h, w))
    side, outputs = margin + field, []
    corners = list(product(rows, columns))
    for start in range(0, len(corners), batch):
        patches = [image[:, :, y : y + side, x : x + side] for y, x in corners[start:][:batch]]
        output = backbone(torch.cat(patches))[name][:, :, index, index]
        outputs.append(output.view(len(patches), len(image), -1))
    values = torch.cat(outputs).permute(1, 2, 0)
    values = values.reshape(len(image), -1, len(rows), len(columns))
    offset = rows.start + Fraction(field - 1, 2)
    return DenseMap(values, Grid(offset, Fraction(stride), grid.receptive_field))


def shift_and_stitch(backbone: Chain, image: Float[Tensor, "n c h w"]) -> DenseMap:
    """Run a backbone of stride f on f x f shifted images and interlace the outputs.

    The image is shifted x pixels to the right and y pixels down for every x and y below f; zeros
    fill up all shifted images to the same size.

    Args:
        backbone: Any backbone; its last endpoint is the output.
        image: A normalized image.

    Returns:
        A map of stride 1. It starts f - 1 pixels before the backbone's own map.
    """
    name, grid = _output(backbone)
    f = int(grid.stride)
    last = f - 1
    values: Tensor | None = None
    for y, x in product(range(f), range(f)):
        output = backbone(F.pad(image, (x, last - x, y, last - y)))[name]
        if values is None:
            n, c, h, w = output.shape
            values = output.new_empty(n, c, h, f, w, f)
        values[:, :, :, last - y, :, last - x] = output
    assert values is not None
    values = values.flatten(4).flatten(2, 3)
    return DenseMap(values, Grid(grid.offset - last, Fraction(1), grid.receptive_field))


def a_trous(backbone: Chain, stride: int = 1) -> Chain:
    """Copy a backbone into one of smaller stride, with the same weights.

    Layers that would make the stride larger than `stride` get stride 1, and the convolutions and
    pooling layers after them are dilated by the stride that was removed: the filters of the paper's
    filter rarefaction, with zeros between their weights. Padding grows with dilation, so
    every pixel of the backbone's own maps keeps its place.

    Args:
        backbone: A chain of layers; a block of several layers must have stride 1 inside.
        stride: The stride of the last endpoint, a divisor of the backbone's; 1 for all pixels.

    Raises:
        ValueError: `stride` does not divide the backbone's.
        TypeError: A block of several layers has a stride.
    """
    name, grid = _output(backbone)
    if stride < 1 or grid.stride % stride:
        raise ValueError(f"`stride` must be a divisor of {grid.stride}; got {stride}.")
    dense = Chain(_rarefied(backbone, stride), name, backbone.suffix)
    dense.load_state_dict(backbone.state_dict())
    return dense.train(backbone.training)


def _rarefied(backbone: Chain, stride: int) -> Iterator[tuple[str, nn.Module]]:
    """The layers of a chain, with a stride in all that is at most `stride`."""
    left, dilation = stride, 1
    for name, layer in backbone.named_children():
        own_name = name.removesuffix(backbone.suffix)
        if (window := window_of(layer)) is None:
            yield own_name, copy.deepcopy(layer)
            continue
        kept = math.gcd(window.stride, left)
        yield own_name, _dilated(own_name, layer, window, kept, dilation)
        left, dilation = left // kept, dilation * window.stride // kept


def _dilated(name: str, layer: nn.Module, window: Window, stride: int, dilation: int) -> nn.Module:
    """A copy of a layer with this stride, its dilation and padding multiplied."""
    if isinstance(layer, nn.Conv2d):
        convolution = copy.deepcopy(layer)
        convolution.stride, convolution.padding = (stride,) * 2, (dilation * window.pad,) * 2
        convolution.dilation = (dilation * layer.dilation[0], dilation * layer.dilation[1])
        return convolution
    if isinstance(layer, nn.MaxPool2d):
        return _MaxPool2d(
            layer.kernel_size,
            stride,
            dilation * window.pad,
            dilation * int(torch.as_tensor(layer.dilation).max()),
            ceil_mode=layer.ceil_mode and stride > 1,
        )
    if window.stride != 1:
        raise TypeError(
            f"The stride of the block `{name}`, {window.stride}, cannot be removed. A block of "
            "several layers must have stride 1."
        )
    block: Any = copy.deepcopy(layer)
    for path, part in layer.named_modules():
        if isinstance(part, nn.Conv2d | nn.MaxPool2d) and (of_part := window_of(part)):
            block.set_submodule(path, _dilated(path, part, of_part, of_part.stride, dilation))
    block.window = Window(dilation * (window.kernel - 1) + 1, pad=dilation * window.pad)
    return block


class _MaxPool2d(nn.MaxPool2d):
    """A pooling layer that may pad more than half of its kernel, as a dilated one does."""

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c _ _"]:
        pad = int(self.padding)  # type: ignore[arg-type]
        x = F.pad(x, (pad,) * 4, value=-math.inf)
        return F.max_pool2d(
            x, self.kernel_size, self.stride, 0, self.dilation, ceil_mode=self.ceil_mode
        )


def _output(backbone: Chain) -> tuple[str, Grid]:
    """The name and grid of the last endpoint."""
    name, endpoint = list(backbone.endpoints.items())[-1]
    return name, endpoint.grid
