"""Weights of ImageNet classifiers, under the names of their layers."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

FULLY_CONNECTED = ["fc6", "fc7", "fc8"]


def from_torchvision(state: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """torchvision's `features.N` and `classifier.N` as conv1_1, ..., fc6, fc7, fc8, in order.

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
    return {
        f"{names[layer]}.{kind}": value
        for layer, _, kind in (name.rpartition(".") for name in state)
        for value in [state[f"{layer}.{kind}"]]
        if layer in names
    }


def _numbers(state: Mapping[str, Tensor], part: str) -> list[int]:
    return sorted({int(name.split(".")[1]) for name in state if name.startswith(f"{part}.")})
