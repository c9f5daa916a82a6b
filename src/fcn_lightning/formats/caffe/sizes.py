"""Sizes of maps in a deploy form, as Caffe computes them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fcn_lightning.models.geometry import Window


def check_crops(layers: Iterable[Any], sides: Iterable[int]) -> None:
    """Check that each crop fits into its map, for images of these sides.

    Caffe: where two streams meet, one is cropped to the size of the other, which must not be
    larger. This package's networks take the part that both streams cover.

    Raises:
        ValueError: A crop does not fit.
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
                    f"Caffe cannot crop `{layer.bottom[0]}` to `{layer.bottom[1]}`: for images of "
                    f"side {side} it has {sizes[0]} pixels, and {layer.crop_param.offset[0]} + "
                    f"{sizes[1]} are needed. Pad the backbone as the reference does, or remove "
                    "that skip."
                )


def _size(layer: Any, sizes: list[int], side: int) -> int:
    if layer.type == "Input":
        return side
    if layer.type == "Crop":
        return sizes[1]
    if layer.type == "Pooling":
        param = layer.pooling_param
        return Window(param.kernel_size, param.stride, param.pad, ceil=True).out_size(sizes[0])
    if layer.type not in ("Convolution", "Deconvolution"):
        return sizes[0]
    param = layer.convolution_param
    kernel, pad, stride = (
        next(iter(values), default)
        for values, default in ((param.kernel_size, 1), (param.pad, 0), (param.stride, 1))
    )
    if layer.type == "Deconvolution":
        return stride * (sizes[0] - 1) + kernel
    return Window(kernel, stride, pad).out_size(sizes[0])
