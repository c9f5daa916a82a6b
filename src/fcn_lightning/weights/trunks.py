"""Which backbone a file's layers are of, and how wide.

Source: BVLC/caffe models; shelhamer/fcn.berkeleyvision.org net.py of each network.
"""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from fcn_lightning.models.backbones.googlenet import INCEPTIONS
from fcn_lightning.weights.source import Source, summary

LASTS = {"vgg16": "conv5_3", "googlenet": "inception_5b/1x1", "caffenet": "conv5"}
"""By backbone: a layer of its last block, whose presence tells it."""

FIRSTS = {"vgg16": ("conv1_1", 1), "googlenet": ("conv1/7x7_s2", 3), "caffenet": ("conv1", 5)}
"""By backbone: its first convolution, and how that one is padded where sizes are kept."""

DROPOUTS = {
    "vgg16": ("drop6", "drop7"),
    "googlenet": ("pool5/drop_7x7_s1",),
    "caffenet": ("drop6", "drop7"),
}
"""By backbone: its dropout layers."""

BRANCHES = ("1x1", "3x3_reduce", "3x3", "5x5_reduce", "5x5", "pool_proj")


def family_of(source: Source) -> tuple[str, list[str]]:
    """The backbone, and the suffixes of its trunks: "" for one.

    Raises:
        ValueError: It is none that is known.
    """
    for family, last in LASTS.items():
        found = [suffix for suffix in suffixes(source, last) if not suffix.startswith("_")]
        if found:
            return family, found
    raise ValueError(
        f"{source.path} must be VGG-16, CaffeNet or GoogLeNet, or an FCN of one of them; its "
        f"layers with weights are {summary(source.layers)}."
    )


def suffixes(source: Source, layer: str) -> list[str]:
    """What stands behind a layer's name, for each layer that begins with it."""
    return [name.removeprefix(layer) for name in source.layers if name.startswith(layer)]


def backbone_of(source: Source, family: str, trunks: list[str]) -> dict[str, Any]:
    """A backbone's part of the description: its name, widths, padding and dropout.

    Args:
        source: The file's content.
        family: The backbone.
        trunks: The suffixes of its trunks, which are alike.

    Raises:
        ValueError: A layer is missing, or dropout layers have several rates.
    """
    suffix = trunks[0]

    def width(layer: str) -> int:
        return source.weight(layer + suffix).shape[0]

    if family == "googlenet":
        stem = [width(name) for name in ("conv1/7x7_s2", "conv2/3x3_reduce", "conv2/3x3")]
        blocks = [[width(f"inception_{n}/{branch}") for branch in BRANCHES] for n in INCEPTIONS]
        own: dict[str, Any] = {"name": family, "stem": stem, "inceptions": blocks}
    else:
        blocks_of_vgg = [f"conv{block}_2" for block in range(1, 6)]
        named = blocks_of_vgg if family == "vgg16" else [f"conv{i}" for i in range(1, 6)]
        own = {
            "name": family,
            "widths": [width(name) for name in named],
            "fc_widths": [width("fc6"), width("fc7")],
        }
        if family == "vgg16":
            own["fc6_kernel"] = _fc6_kernel(source.weight(f"fc6{suffix}"), own["widths"][-1])
        elif source.weight(f"conv2{suffix}").shape[1] == own["widths"][0]:
            own["name"] = "alexnet"  # torchvision's has no groups
    own["padding"] = _padding(source, family, suffix)
    return own | _dropout(source, family, trunks)


def _fc6_kernel(weight: Tensor, channels: int) -> int:
    return weight.shape[2] if weight.ndim == 4 else math.isqrt(weight.shape[1] // channels)


def _padding(source: Source, family: str, suffix: str) -> int | str:
    """100 as the reference, or "same"; a classifier becomes what the reference makes of it."""
    first, kept = FIRSTS[family]
    names = (f"{first}{suffix}", f"{first}_bgrd{suffix}")
    pads = [source.parameters.get(name, {}).get("pad") for name in names]
    if 100 in pads:
        return 100
    if not suffixes(source, "score_fr"):
        return "same" if family == "googlenet" else 100
    return "same" if kept in pads else 100


def _dropout(source: Source, family: str, trunks: list[str]) -> dict[str, Any]:
    """The rate of all dropout layers, where the file states it."""
    layers = [layer + suffix for suffix in trunks for layer in DROPOUTS[family]]
    stated = [(layer, source.parameters.get(layer, {}).get("dropout_ratio")) for layer in layers]
    rates = {layer: rate for layer, rate in stated if rate is not None}
    if len({*rates.values()}) > 1:
        raise ValueError(
            f"{source.path} must drop out at one rate; it has "
            f"{', '.join(f'{rate} in `{layer}`' for layer, rate in rates.items())}. Give a file of "
            "the networks that are known."
        )
    return {"dropout": next(iter(rates.values()))} if rates else {}
