"""The content of another framework's weight file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

Value = bool | int | float | str
Parameter = Value | tuple[Value, ...]
"""A parameter of a layer: one value, or one for each side or input if they differ."""


@dataclass(frozen=True)
class ForeignWeights:
    """Weights, and what else distinguishes one network from another, by Caffe's layer names.

    Attributes:
        path: The file.
        weights: `LAYER.weight` and `LAYER.bias`, float32; that of a fully connected layer is a
            matrix.
        scales: The constants that skips are scaled by, by layer.
        parameters: Types and parameters of layers, by layer and Caffe's names for them.
        normalize: The normalization that the file names, by modality; "" for a single one.
        hha: True if its data layer reads HHA.
        maybe_at_once: True if the weights could be of FCN8s or FCN8sAtOnce.
    """

    path: Path
    weights: Mapping[str, Tensor]
    scales: Mapping[str, float] = field(default_factory=dict)
    parameters: Mapping[str, Mapping[str, Parameter]] = field(default_factory=dict)
    normalize: Mapping[str, str] = field(default_factory=dict)
    hha: bool = False
    maybe_at_once: bool = False

    @property
    def layers(self) -> list[str]:
        """The names of the layers with weights."""
        return list(dict.fromkeys(name.rpartition(".")[0] for name in self.weights))

    def weight(self, layer: str) -> Tensor:
        """The weight of a layer.

        Raises:
            ValueError: The layer is missing or has no values.
        """
        if f"{layer}.weight" not in self.weights:
            raise ValueError(
                f"{self.path} has no layer `{layer}`; it has {summary(self.layers)}. Import a file "
                "with all weights of the network."
            )
        weight = self.weights[f"{layer}.weight"]
        if weight.ndim not in (2, 4) or not weight.numel():
            raise ValueError(
                f"{self.path}: `{layer}.weight` has the shape {tuple(weight.shape)}; expected two "
                "or four dimensions, none of them empty."
            )
        return weight


def summary(names: list[str]) -> str:
    """The first names and the number of all."""
    if not names:
        return "none"
    return ", ".join(names[:5]) + (f", ... ({len(names)})" if len(names) > 5 else "")
