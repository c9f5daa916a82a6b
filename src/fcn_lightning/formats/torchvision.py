"""torchvision's classifiers: VGG-16, VGG-19 and AlexNet.

Source: pytorch/vision torchvision/models.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from fcn_lightning.formats.foreign import ForeignWeights, summary
from fcn_lightning.formats.others import advice, what_layers
from fcn_lightning.models import Network, build

FULLY_CONNECTED = ("fc6", "fc7", "fc8")

BACKBONES = {16: "vgg19", 13: "vgg16", 5: "alexnet"}
"""By the number of convolutions."""


def is_classifier(state: Mapping[str, Tensor]) -> bool:
    """True if the layers have the names of torchvision's classifiers."""
    return any(re.match(r"features\.\d+\.", name) for name in state)


def is_googlenet(state: Mapping[str, Tensor]) -> bool:
    """True if the layers have the names of torchvision's GoogLeNet."""
    return any(name.startswith("inception") for name in state)


def renamed(state: Mapping[str, Tensor], network: Network) -> dict[str, Tensor]:
    """Rename layers in order: to its backbone's convolutions, then to fc6, fc7 and fc8.

    The network may have fewer convolutions than its backbone.

    The fully connected layers may be missing.

    Raises:
        ValueError: The number of convolutions differs from the backbone's.
    """
    with torch.device("meta"):
        whole = build(backbone=network.description["backbone"], head={}, num_classes=1)
    ours = [
        name.rsplit(".", 1)[-1]
        for name, layer in whole.named_modules()
        if isinstance(layer, nn.Conv2d) and name.rsplit(".", 1)[-1].startswith("conv")
    ]
    theirs = _numbers(state, "features")
    if len(ours) != len(theirs):
        raise ValueError(
            f"The weights have {len(theirs)} convolutions; the backbone has {len(ours)}. Set "
            "`backbone` to the one that they belong to."
        )
    names = {f"features.{n}": name for n, name in zip(theirs, ours)}
    numbers = _numbers(state, "classifier")
    names |= {f"classifier.{n}": name for n, name in zip(numbers, FULLY_CONNECTED)}
    split = {name: name.rpartition(".") for name in state}
    return {
        f"{names[layer]}.{kind}": state[name]
        for name, (layer, _, kind) in split.items()
        if layer in names
    }


def foreign_weights(path: Path, state: Mapping[str, Tensor]) -> ForeignWeights:
    """The weights of a whole classifier by Caffe's names for its layers.

    Raises:
        ValueError: The weights are not those of vgg16, vgg19 or alexnet, or they are incomplete.
    """
    convolutions = _numbers(state, "features")
    name = BACKBONES.get(len(convolutions))
    if name is None or not _numbers(state, "classifier"):
        others = [name for name in state if not name.startswith("features.")]
        if other := what_layers(state):
            raise ValueError(f"{path} is {other}, not vgg16, vgg19 or alexnet.{advice(other)}")
        raise ValueError(
            f"{path} is not torchvision's vgg16, vgg19 or alexnet with its classifier: it has "
            f"{len(convolutions)} layers with weights in `features`, and outside of them "
            f"{summary(others)}. Use features alone with `init_from`."
        )
    with torch.device("meta"):
        network = build(backbone={"name": name}, head={}, num_classes=1)
    weights = {name: value.float() for name, value in renamed(state, network).items()}
    return ForeignWeights(path, weights, normalize={"": "torchvision"})


def _numbers(state: Mapping[str, Tensor], part: str) -> list[int]:
    return sorted({int(name.split(".")[1]) for name in state if name.startswith(f"{part}.")})
