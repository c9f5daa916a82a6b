"""Single modules as layers of Caffe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from fcn_lightning.models import geometry
from fcn_lightning.models.backbones.googlenet import Inception
from fcn_lightning.weights.caffe.schema import LayerParameter


@dataclass
class Deploy:
    """Layers in the making, each with its blobs: their messages and their values."""

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
        """Adds a layer; returns the name of the map that it makes."""
        top = top or name
        message = LayerParameter(name=name, type=kind, bottom=bottoms, top=[top], **parameters)
        self.layers.append((message, [blob.detach() for blob in blobs]))
        return top


def add_module(net: Deploy, layer: nn.Module, name: str, bottom: str) -> str:
    """Adds what a backbone's layer is in Caffe; returns the name of its map.

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
        return bottom  # it does nothing to a network that is deployed
    if isinstance(layer, Inception):
        return _inception(net, layer, name, bottom)
    raise ValueError(
        f"Caffe's export must be of layers that Caffe has; `{name}` is {type(layer).__name__}."
    )


def add_convolution(net: Deploy, layer: nn.Conv2d, name: str, bottom: str) -> str:
    """Adds a convolution with its weight and bias."""
    window = geometry.window_of(layer)
    assert window is not None
    assert layer.bias is not None
    own: dict[str, Any] = {"num_output": layer.out_channels, "kernel_size": [window.kernel]}
    own |= {"pad": [window.pad]} if window.pad else {}
    own |= {"stride": [window.stride]} if window.stride != 1 else {}
    own |= {"group": layer.groups} if layer.groups != 1 else {}
    blobs = [layer.weight, layer.bias]
    return net.add("Convolution", name, [bottom], blobs=blobs, convolution_param=own)


def add_relu(net: Deploy, name: str, bottom: str) -> str:
    """Adds a ReLU in place."""
    return net.add("ReLU", name, [bottom], top=bottom)


def add_concat(net: Deploy, name: str, bottoms: Sequence[str]) -> str:
    """Adds what puts the channels of several maps together."""
    return net.add("Concat", name, bottoms, concat_param={"axis": 1})


def add_scale(net: Deploy, name: str, bottom: str, scale: float, channels: int) -> str:
    """Adds what multiplies a map by a constant."""
    own = {"filler": {"type": "constant", "value": scale}, "bias_term": False}
    blobs = [torch.full((channels,), scale)]
    return net.add("Scale", name, [bottom], blobs=blobs, scale_param=own)


def add_deconvolution(net: Deploy, weight: Tensor, factor: int, name: str, bottom: str) -> str:
    """Adds a dense transposed convolution, from every class to every class."""
    own = {
        "num_output": weight.shape[1],
        "bias_term": False,
        "kernel_size": [weight.shape[-1]],
        "stride": [factor],
    }
    return net.add("Deconvolution", name, [bottom], blobs=[weight], convolution_param=own)


def add_crop(net: Deploy, name: str, bottom: str, like: str, offset: int) -> str:
    """Adds what crops a map to the size of another one."""
    return net.add("Crop", name, [bottom, like], crop_param={"axis": 2, "offset": [offset]})


def _pooling(net: Deploy, layer: nn.MaxPool2d, name: str, bottom: str) -> str:
    window = geometry.window_of(layer)
    assert window is not None
    if not window.ceil and window.stride != 1:
        raise ValueError(
            f"Caffe's pooling rounds sizes up; `{name}` must have `ceil_mode` True to be exported."
        )
    own = {"pool": "MAX", "kernel_size": window.kernel, "stride": window.stride}
    own |= {"pad": window.pad} if window.pad else {}
    return net.add("Pooling", name, [bottom], pooling_param=own)


def _inception(net: Deploy, block: Inception, name: str, bottom: str) -> str:
    own_name = block.branches[0][0].partition("/")[0]
    suffix = name.removeprefix(own_name)
    tops = []
    for names in block.branches:
        top = bottom
        if names is block.branches[-1]:
            top = _pooling(net, block.pool, f"{own_name}/pool{suffix}", bottom)
        for layer_name in names:
            layer = block.get_submodule(layer_name)
            assert isinstance(layer, nn.Conv2d)
            top = add_convolution(net, layer, layer_name, top)
            add_relu(net, layer_name.replace("/", "/relu_", 1), top)
        tops.append(top)
    return add_concat(net, f"{own_name}/output{suffix}", tops)
