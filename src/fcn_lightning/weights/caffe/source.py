"""From a `.caffemodel`'s layers to weights by their names."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from fcn_lightning.weights.caffe.parameters import stated
from fcn_lightning.weights.caffe.reader import Layer, Net, read
from fcn_lightning.weights.source import Source

NORMALIZE = "normalize="
"""Stands in a network's name before what its input is normalized by; our exports have it."""

DIMENSIONS = {"Convolution": 4, "Deconvolution": 4, "InnerProduct": 2}
"""How many dimensions the weight of a layer has."""


def source(path: Path) -> Source:
    """Reads a `.caffemodel`.

    Raises:
        OSError: It is not there.
        ValueError: It is broken, or a layer's blobs are not those of its type.
    """
    net = read(path)
    for layer in net.layers:
        _check_order(path, layer)
    return Source(
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
    """A network's name that says how its input is normalized."""
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
    """A weight in the dimensions of its layer's type; old files have ones in front."""
    dimensions = DIMENSIONS.get(layer.type, weight.ndim)
    own = (1,) * (dimensions - weight.ndim) + tuple(weight.shape)[-dimensions:]
    if math.prod(own) != weight.numel():
        raise ValueError(
            f"{path}: the weight of `{layer.name}`, {layer.type}, must have {dimensions} "
            f"dimensions; it is {' x '.join(map(str, weight.shape))}. Give a file of the networks "
            "that are known."
        )
    return weight.view(own)


def _constant(path: Path, layer: Layer) -> float:
    """The constant of a layer that scales a skip, in as many digits as float32 has."""
    value = layer.blobs[0].flatten()
    if len(layer.blobs) > 1 or not len(value) or not torch.equal(value, value[:1].expand_as(value)):
        raise ValueError(
            f"{path}: `{layer.name}` must scale all channels by one constant, as at-once training "
            "does; its values differ. Give a file of the networks that are known."
        )
    return float(str(value[0].numpy()))


def _check_order(path: Path, layer: Layer) -> None:
    bottom = next(iter(layer.bottoms), "pool1")
    if layer.name == "norm1" and layer.type == "LRN" and not bottom.startswith("pool1"):
        raise ValueError(
            f"{path} must be CaffeNet, which normalizes after pooling; it normalizes "
            f"`{bottom}`, as BVLC's AlexNet does. Give bvlc_reference_caffenet."
        )
