"""What a file of someone else's says of a network, by Caffe's names for its layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

Value = bool | int | float | str
Parameter = Value | tuple[Value, ...]
"""A layer's parameter: one value, or one for each side or input where they differ."""


@dataclass(frozen=True)
class Source:
    """Weights, and what else tells one network from another.

    Attributes:
        path: The file.
        weights: `LAYER.weight` and `LAYER.bias`, float32; a fully connected layer's is a matrix.
        scales: By `LAYER`: the constants that skips are scaled by.
        parameters: By `LAYER`: what the file states of what it computes, by Caffe's names.
        normalize: What the file itself names, by modality; "" where there is one.
        hha: Its data layer reads HHA.
    """

    path: Path
    weights: Mapping[str, Tensor]
    scales: Mapping[str, float] = field(default_factory=dict)
    parameters: Mapping[str, Mapping[str, Parameter]] = field(default_factory=dict)
    normalize: Mapping[str, str] = field(default_factory=dict)
    hha: bool = False

    @property
    def layers(self) -> list[str]:
        """The names of the layers with weights."""
        return list(dict.fromkeys(name.rpartition(".")[0] for name in self.weights))

    def weight(self, layer: str) -> Tensor:
        """A layer's weight.

        Raises:
            ValueError: The file has no such layer.
        """
        if f"{layer}.weight" not in self.weights:
            raise ValueError(
                f"{self.path} must hold every layer of its network; `{layer}` is missing "
                f"beside {summary(self.layers)}. Give the whole network's weights."
            )
        weight = self.weights[f"{layer}.weight"]
        if weight.ndim not in (2, 4) or not weight.numel():
            raise ValueError(
                f"{self.path}: `{layer}.weight` must have two dimensions or four, none of them "
                f"empty; it has the shape {tuple(weight.shape)}."
            )
        return weight


def summary(names: list[str]) -> str:
    """The first names, and how many there are."""
    if not names:
        return "none"
    return ", ".join(names[:5]) + (f", ... ({len(names)})" if len(names) > 5 else "")
