"""Identifies the backbone of a weight file, and its widths.

Source: BVLC/caffe models; shelhamer/fcn.berkeleyvision.org net.py of each network.
"""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from fcn_lightning.formats.foreign import ForeignWeights, summary
from fcn_lightning.formats.others import advice, what_layers
from fcn_lightning.models.backbones.googlenet import INCEPTIONS

LAST = {
    "vgg19": "conv5_4",
    "vgg16": "conv5_3",
    "googlenet": "inception_5b/1x1",
    "caffenet": "conv5",
}
"""By backbone: a layer of its last block; the first one that a file has identifies it."""

FIRST = {
    "vgg19": ("conv1_1", 1),
    "vgg16": ("conv1_1", 1),
    "googlenet": ("conv1/7x7_s2", 3),
    "caffenet": ("conv1", 5),
}
"""By backbone: its first convolution, and the padding with which that one keeps sizes."""

DROPOUTS = {
    "vgg19": ("drop6", "drop7"),
    "vgg16": ("drop6", "drop7"),
    "googlenet": ("pool5/drop_7x7_s1",),
    "caffenet": ("drop6", "drop7"),
}
"""By backbone: its dropout layers."""

BRANCHES = ("1x1", "3x3_reduce", "3x3", "5x5_reduce", "5x5", "pool_proj")
"""The convolutions of an inception block."""


def family_of(source: ForeignWeights) -> tuple[str, list[str]]:
    """The backbone's name, and the suffix of each backbone in the network: "" for a single one.

    Raises:
        ValueError: The backbone is not supported.
    """
    for family, last in LAST.items():
        found = [suffix for suffix in suffixes(source, last) if not suffix.startswith("_")]
        if found:
            return family, found
    other = what_layers(source.layers)
    raise ValueError(
        f"{source.path} is {f'{other}, ' if other else ''}not VGG-16, VGG-19, CaffeNet, GoogLeNet "
        f"or an FCN of one of them. Its layers with weights are {summary(source.layers)}."
        f"{advice(other)}"
    )


def suffixes(source: ForeignWeights, layer: str) -> list[str]:
    """The rest of each layer's name that begins with `layer`."""
    return [name.removeprefix(layer) for name in source.layers if name.startswith(layer)]


def backbone_of(source: ForeignWeights, family: str, backbones: list[str]) -> dict[str, Any]:
    """The backbone's part of a description: its name, widths, padding and dropout.

    Args:
        source: The file's content.
        family: The backbone's name.
        backbones: The suffixes of the network's backbones, which have the same sizes.

    Raises:
        ValueError: A layer is missing, or the dropout layers have different rates.
    """
    suffix = backbones[0]

    def width(layer: str) -> int:
        return source.weight(layer + suffix).shape[0]

    if family == "googlenet":
        stem = [width(name) for name in ("conv1/7x7_s2", "conv2/3x3_reduce", "conv2/3x3")]
        blocks = [[width(f"inception_{n}/{branch}") for branch in BRANCHES] for n in INCEPTIONS]
        found: dict[str, Any] = {"name": family, "stem": stem, "inceptions": blocks}
    else:
        last = "_2" if family in ("vgg16", "vgg19") else ""
        widths = [width(f"conv{block}{last}") for block in range(1, 6)]
        found = {"name": family, "widths": widths, "fc_widths": [width("fc6"), width("fc7")]}
        if family in ("vgg16", "vgg19"):
            found["fc6_kernel"] = _fc6_kernel(source.weight(f"fc6{suffix}"), widths[-1])
        elif source.weight(f"conv2{suffix}").shape[1] == widths[0]:
            found["name"] = "alexnet"  # torchvision's, which has no groups
    found["padding"] = _padding(source, family, suffix)
    return found | _dropout(source, family, backbones)


def _fc6_kernel(weight: Tensor, channels: int) -> int:
    return weight.shape[2] if weight.ndim == 4 else math.isqrt(weight.shape[1] // channels)


def _padding(source: ForeignWeights, family: str, suffix: str) -> int | str:
    """Return the padding of an FCN, or the reference's choice for an FCN of this classifier."""
    first, same = FIRST[family]
    names = (f"{first}{suffix}", f"{first}_bgrd{suffix}")
    pads = [source.parameters.get(name, {}).get("pad") for name in names]
    if 100 in pads:
        return 100
    if not suffixes(source, "score_fr"):
        return "same" if family == "googlenet" else 100
    return "same" if same in pads else 100


def _dropout(source: ForeignWeights, family: str, backbones: list[str]) -> dict[str, Any]:
    """The rate of all dropout layers, if the file has it."""
    layers = [layer + suffix for suffix in backbones for layer in DROPOUTS[family]]
    found = [(layer, source.parameters.get(layer, {}).get("dropout_ratio")) for layer in layers]
    rates = {layer: rate for layer, rate in found if rate is not None}
    if len({*rates.values()}) > 1:
        raise ValueError(
            f"{source.path} has different dropout rates: "
            f"{', '.join(f'{rate} in `{layer}`' for layer, rate in rates.items())}. Supported "
            "networks have the same rate in all layers."
        )
    return {"dropout": next(iter(rates.values()))} if rates else {}
