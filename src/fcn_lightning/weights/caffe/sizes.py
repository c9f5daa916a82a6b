"""Sizes of maps through a deploy form, as Caffe computes them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fcn_lightning.models.geometry import Window


def check_crops(layers: Iterable[Any], sides: Iterable[int]) -> None:
    """Raises a ValueError unless each crop stays inside its map, at images of these sides.

    Where two streams meet, our networks take what both of them cover, at any size; Caffe crops one
    to the size of the other and stops where that one is larger.
    """
    layers = list(layers)
    for side in sides:
        known: dict[str, int] = {}
        for layer in layers:
            (top,) = layer.top
            sizes = [known[bottom] for bottom in layer.bottom]
            known[top] = _size(layer, sizes, side)
            if layer.type == "Crop" and sizes[0] < layer.crop_param.offset[0] + sizes[1]:
                raise ValueError(
                    f"Caffe's export must be of a network whose `{layer.bottom[0]}` covers "
                    f"`{layer.bottom[1]}`; at images of {side} it has {sizes[0]} pixels, of which "
                    f"{layer.crop_param.offset[0]} are cropped, for {sizes[1]}. Pad the backbone "
                    "as the reference does, or leave out that skip."
                )


def _size(layer: Any, sizes: list[int], side: int) -> int:
    if layer.type == "Input":
        return side
    if layer.type == "Crop":
        return sizes[1]
    if layer.type == "Pooling":
        own = layer.pooling_param
        return Window(own.kernel_size, own.stride, own.pad, ceil=True).out_size(sizes[0])
    if layer.type not in ("Convolution", "Deconvolution"):
        return sizes[0]
    own = layer.convolution_param
    kernel, pad, stride = (
        next(iter(values), default)
        for values, default in ((own.kernel_size, 1), (own.pad, 0), (own.stride, 1))
    )
    if layer.type == "Deconvolution":
        return stride * (sizes[0] - 1) + kernel
    return Window(kernel, stride, pad).out_size(sizes[0])
