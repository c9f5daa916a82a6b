"""Compares the parameters of a `.caffemodel`'s layers with those of the network it becomes.

Source: BVLC/caffe src/caffe/proto/caffe.proto and src/caffe/layers of each type.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch

from fcn_lightning.formats.caffe.deploy import layers_of
from fcn_lightning.formats.caffe.reader import Layer
from fcn_lightning.formats.foreign import ForeignWeights, Parameter, Value
from fcn_lightning.models import Network

MESSAGES = {
    "Concat": "concat_param",
    "Convolution": "convolution_param",
    "Crop": "crop_param",
    "Deconvolution": "convolution_param",
    "Dropout": "dropout_param",
    "Eltwise": "eltwise_param",
    "LRN": "lrn_param",
    "Pooling": "pooling_param",
    "ReLU": "relu_param",
}
"""By type of layer: the field of its parameters."""

OF_EMPTY: dict[str, Parameter] = {"coeff": 1.0, "dilation": 1, "offset": 0, "pad": 0, "stride": 1}
"""The values that empty lists mean to Caffe; other defaults are in the schema."""


def stated(layer: Layer) -> dict[str, Parameter]:
    """A layer's type and parameters with Caffe's defaults; the type alone if it has no parameters.

    A fully connected layer has none that apply to the convolution that it becomes.
    """
    if layer.type in ("", "InnerProduct"):
        return {}
    name = MESSAGES.get(layer.type)
    if name is None or not layer.param.HasField(name):
        return {"type": layer.type}
    return _parameters(layer.type, layer.param)


def check_parameters(source: ForeignWeights, network: Network, *, unscored: bool) -> None:
    """Check that the file's layers compute what the network's layers compute.

    Args:
        source: The file's content.
        network: The network that it becomes.
        unscored: The file is a classifier's, whose first layer may have another padding.

    Raises:
        ValueError: A parameter differs.
    """
    for name, first, ours in _layers(network):
        theirs = source.parameters.get(name, {})
        differing = [
            key
            for key, value in theirs.items()
            if ours.get(key, value) != value and not (unscored and first and key == "pad")
        ]
        if differing:
            raise ValueError(
                f"{source.path}: `{name}` has {_listed(theirs, differing)}; the network that it "
                f"is imported as has {_listed(ours, differing)}. Their scores would differ."
            )


def _layers(network: Network) -> Iterator[tuple[str, bool, dict[str, Parameter]]]:
    """Yield the network's layers after the data: name, whether it is the first, parameters."""
    data: set[str] = set()
    with torch.device("meta"):
        net = layers_of(network, (1, 1))
    for layer, _ in net.layers:
        first = data.issuperset(layer.bottom)
        if first and layer.type in ("Input", "Concat"):
            data.update(layer.top)
            continue
        yield layer.name, first, _parameters(layer.type, layer)


def _parameters(kind: str, layer: Any) -> dict[str, Parameter]:
    """A layer's parameters by name; `pad_h` and `pad_w` are both under `pad`, and so on."""
    values: dict[str, Parameter] = {"type": kind}
    if kind not in MESSAGES:
        return values
    message = getattr(layer, MESSAGES[kind])
    for field in message.DESCRIPTOR.fields:
        if field.name.endswith(("_h", "_w")):
            continue
        given = [_value(field, value) for value in _given(message, field)]
        if len({*given}) > 1:
            values[field.name] = tuple(given)
        elif given or field.name in OF_EMPTY:
            values[field.name] = given[0] if given else OF_EMPTY[field.name]
    return values


def _given(message: Any, field: Any) -> list[Any]:
    """A field's values: two if height and width are given separately, none if it is unset."""
    sides = [f"{field.name.removesuffix('_size')}_{side}" for side in "hw"]
    known = message.DESCRIPTOR.fields_by_name
    if any(side in known and message.HasField(side) for side in sides):
        return [getattr(message, side) for side in sides]
    value = getattr(message, field.name)
    if not isinstance(value, (int, float)):
        return list(value)
    return [value] if field.has_default_value or message.HasField(field.name) else []


def _value(field: Any, value: Any) -> Value:
    """A value as it is written: an enum's name, a float with the digits that float32 has."""
    if field.enum_type is not None:
        return str(field.enum_type.values_by_number[value].name)
    plain: Value = float(str(np.float32(value))) if isinstance(value, float) else value
    return plain


def _listed(parameters: Mapping[str, Parameter], keys: list[str]) -> str:
    return ", ".join(f"{key} {_shown(parameters[key])}" for key in keys)


def _shown(value: Parameter) -> str:
    if isinstance(value, tuple):
        return " and ".join(map(_shown, value))
    if isinstance(value, float):
        return f"{value:.9g}"
    return str(value).lower() if isinstance(value, bool) else str(value)
