"""Modules as layers of Caffe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from fcn_lightning.formats.caffe.schema import LayerParameter
from fcn_lightning.models import geometry
from fcn_lightning.models.backbones.googlenet import Inception


@dataclass
class Deploy:
    """A network in deploy form: each layer's message, and its blobs' values."""

    layers: list[tuple[Any, list[Tensor]]] = field(default_factory=list)

    def add(
        self,
        kind: str,
        name: str,
        bottoms: Sequence[str] = (),
        *,
        top: str | None = None,
        blobs: Sequence[Tensor] = (),
        **parameters: Mapping[str, Any],
    ) -> str:
        """Add a layer; return the name of its output."""
        top = top or name
        message = LayerParameter(name=name, type=kind, bottom=bottoms, top=[top], **parameters)
        self.layers.append((message, [blob.detach() for blob in blobs]))
        return top


def add_module(net: Deploy, layer: nn.Module, name: str, bottom: str) -> str:
    """Add a layer of a backbone; return the name of its output.

    Raises:
        ValueError: Caffe has no such layer.
    """
    if isinstance(layer, nn.Conv2d):
        return add_convolution(net, layer, name, bottom)
    if isinstance(layer, nn.ReLU):
        return add_relu(net, name, bottom)
    if isinstance(layer, nn.MaxPool2d):
        return _pooling(net, layer, name, bottom)
    if isinstance(layer, nn.LocalResponseNorm):
        norm = {"local_size": layer.size, "alpha": layer.alpha, "beta": layer.beta}
        norm |= {"k": layer.k} if layer.k != 1 else {}
        return net.add("LRN", name, [bottom], lrn_param=norm)
    if isinstance(layer, nn.Dropout):
        return bottom  # the identity in a deployed network
    if isinstance(layer, Inception):
        return _inception(net, layer, name, bottom)
    raise ValueError(
        f"Caffe has no layer for `{name}` ({type(layer).__name__}). Export a network of the "
        "published layers."
    )


def add_convolution(net: Deploy, layer: nn.Conv2d, name: str, bottom: str) -> str:
    """Add a convolution with its weight and bias."""
    window = geometry.window_of(layer)
    assert window is not None
    assert layer.bias is not None
    param: dict[str, Any] = {"num_output": layer.out_channels}
    param |= {"kernel_size": [layer.kernel_size[0]]}
    param |= {"pad": [window.pad]} if window.pad else {}
    param |= {"stride": [window.stride]} if window.stride != 1 else {}
    param |= {"dilation": [layer.dilation[0]]} if layer.dilation[0] != 1 else {}
    param |= {"group": layer.groups} if layer.groups != 1 else {}
    blobs = [layer.weight, layer.bias]
    return net.add("Convolution", name, [bottom], blobs=blobs, convolution_param=param)


def add_relu(net: Deploy, name: str, bottom: str) -> str:
    """Add a ReLU in place."""
    return net.add("ReLU", name, [bottom], top=bottom)


def add_concat(net: Deploy, name: str, bottoms: Sequence[str]) -> str:
    """Add the concatenation of several maps' channels."""
    return net.add("Concat", name, bottoms, concat_param={"axis": 1})


def add_scale(net: Deploy, name: str, bottom: str, scale: float, channels: int) -> str:
    """Add the multiplication of a map by a constant."""
    param = {"filler": {"type": "constant", "value": scale}, "bias_term": False}
    blobs = [torch.full((channels,), scale)]
    return net.add("Scale", name, [bottom], blobs=blobs, scale_param=param)


def add_deconvolution(net: Deploy, weight: Tensor, factor: int, name: str, bottom: str) -> str:
    """Add a dense transposed convolution, from every class to every class."""
    param = {
        "num_output": weight.shape[1],
        "bias_term": False,
        "kernel_size": [weight.shape[-1]],
        "stride": [factor],
    }
    return net.add("Deconvolution", name, [bottom], blobs=[weight], convolution_param=param)


def add_crop(net: Deploy, name: str, bottom: str, like: str, offset: int) -> str:
    """Add the crop of a map to the size of another one."""
    return net.add("Crop", name, [bottom, like], crop_param={"axis": 2, "offset": [offset]})


def _pooling(net: Deploy, layer: nn.MaxPool2d, name: str, bottom: str) -> str:
    window = geometry.window_of(layer)
    assert window is not None
    if not window.ceil and window.stride != 1:
        raise ValueError(
            f"Caffe's pooling rounds sizes up; `{name}` rounds them down. Set its `ceil_mode` to "
            "True."
        )
    param = {"pool": "MAX", "kernel_size": window.kernel, "stride": window.stride}
    param |= {"pad": window.pad} if window.pad else {}
    return net.add("Pooling", name, [bottom], pooling_param=param)


def _inception(net: Deploy, block: Inception, name: str, bottom: str) -> str:
    caffe_name = block.branches[0][0].partition("/")[0]
    suffix = name.removeprefix(caffe_name)
    tops = []
    for names in block.branches:
        top = bottom
        if names is block.branches[-1]:
            top = _pooling(net, block.pool, f"{caffe_name}/pool{suffix}", bottom)
        for layer_name in names:
            layer = block.get_submodule(layer_name)
            assert isinstance(layer, nn.Conv2d)
            top = add_convolution(net, layer, layer_name, top)
            add_relu(net, layer_name.replace("/", "/relu_", 1), top)
        tops.append(top)
    return add_concat(net, f"{caffe_name}/output{suffix}", tops)
