"""Weights of ImageNet classifiers, under the names of their layers."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

FULLY_CONNECTED = ["fc6", "fc7", "fc8"]


def from_torchvision(state: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Puts the weights of torchvision under conv1_1, ..., fc6, fc7, fc8: in order.

    The classifier's part may be missing: fc6 and fc7 then start as the network has them.

    Raises:
        ValueError: The file has another number of convolutions than the network.
    """
    ours = [
        name.rsplit(".", 1)[-1]
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Conv2d) and name.rsplit(".", 1)[-1].startswith("conv")
    ]
    theirs = _numbers(state, "features")
    if len(ours) != len(theirs):
        raise ValueError(
            f"The weights must have the backbone's {len(ours)} convolutions; they have "
            f"{len(theirs)}. Choose the `backbone` that they are of."
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


def _numbers(state: Mapping[str, Tensor], part: str) -> list[int]:
    return sorted({int(name.split(".")[1]) for name in state if name.startswith(f"{part}.")})
