"""The weights of a `.caffemodel` by the names of its layers."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from fcn_lightning.formats.caffe.parameters import stated
from fcn_lightning.formats.caffe.reader import Layer, Net, read
from fcn_lightning.formats.foreign import ForeignWeights

NORMALIZE = "normalize="
"""Precedes the input's normalization in the network's name, in files that this package exports."""

DIMENSIONS = {"Convolution": 4, "Deconvolution": 4, "InnerProduct": 2}
"""By type of layer: the number of dimensions of its weight."""


def foreign_weights(path: Path) -> ForeignWeights:
    """Read a `.caffemodel`.

    Raises:
        OSError: The file cannot be read.
        ValueError: The file is damaged, or a layer's blobs do not fit its type.
    """
    net = read(path)
    for layer in net.layers:
        _check_order(path, layer)
    return ForeignWeights(
        path,
        weights=dict(_weights(path, net.layers)),
        scales={
            layer.name: _constant(path, layer)
            for layer in net.layers
            if layer.type == "Scale" and layer.blobs
        },
        parameters={layer.name: stated(layer) for layer in net.layers},
        normalize=_normalize(net),
        hha=any(layer.type == "Python" and "hha" in str(layer.param) for layer in net.layers),
    )


def normalized_name(name: str, normalize: str | dict[str, str]) -> str:
    """A network's name with the normalization of its input."""
    if isinstance(normalize, dict):
        normalize = ",".join(f"{modality}:{value}" for modality, value in normalize.items())
    return f"{name} {NORMALIZE}{normalize}"


def _normalize(net: Net) -> dict[str, str]:
    found = re.search(NORMALIZE + r"(\S+)", net.name)
    parts = found[1].split(",") if found else []
    return {modality: name for modality, _, name in (part.rpartition(":") for part in parts)}


def _weights(path: Path, layers: Iterable[Layer]) -> Iterable[tuple[str, Tensor]]:
    for layer in layers:
        if not layer.blobs or layer.type == "Scale":
            continue
        weight, *others = layer.blobs
        yield f"{layer.name}.weight", _matrix(path, layer, weight)
        for kind, blob in zip(("bias", *map(str, range(2, len(others) + 1))), others):
            yield f"{layer.name}.{kind}", blob.flatten()


def _matrix(path: Path, layer: Layer, weight: Tensor) -> Tensor:
    """A weight in the dimensions of its layer's type; old files prepend dimensions of size 1."""
    dimensions = DIMENSIONS.get(layer.type, weight.ndim)
    shape = (1,) * (dimensions - weight.ndim) + tuple(weight.shape)[-dimensions:]
    if math.prod(shape) != weight.numel():
        raise ValueError(
            f"{path}: the weight of `{layer.name}` has the shape {tuple(weight.shape)}; "
            f"{layer.type} requires {dimensions} dimensions. Import a file of a published network."
        )
    return weight.view(shape)


def _constant(path: Path, layer: Layer) -> float:
    """The constant of a layer that scales a skip, with the digits that float32 has."""
    value = layer.blobs[0].flatten()
    if len(layer.blobs) > 1 or not len(value) or not torch.equal(value, value[:1].expand_as(value)):
        raise ValueError(
            f"{path}: `{layer.name}` scales its channels by different values; at-once networks "
            "scale all of them by one constant. Import a file of a published network."
        )
    return float(str(value[0].numpy()))


def _check_order(path: Path, layer: Layer) -> None:
    bottom = next(iter(layer.bottoms), "pool1")
    if layer.name == "norm1" and layer.type == "LRN" and not bottom.startswith("pool1"):
        raise ValueError(
            f"{path} is BVLC's AlexNet, which normalizes `{bottom}`; CaffeNet, from which the "
            "reference starts, normalizes `pool1`. Import bvlc_reference_caffenet."
        )
