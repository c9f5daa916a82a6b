"""Fits the weights of another framework's file to a network."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

from fcn_lightning.formats.foreign import ForeignWeights, summary
from fcn_lightning.models import LateFusion, Network
from fcn_lightning.models.skip import FixedUpscore
from fcn_lightning.models.surgery import Transplant, convolutionalize

CLASSIFIERS = re.compile(r"(fc8|loss3/classifier|loss[12]/(conv|fc|classifier))\.\w+")
"""The layers of a classifier that its FCN does not have."""


@dataclass
class Fit(Transplant):
    """The use of a file's weights; those in `built` are bilinear kernels, which are not stored."""

    built: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        layers = ", ".join(name.rpartition(".")[0] for name in self.built)
        return super().__str__() + (f", built as bilinear: {layers}" if layers else "")


def fit(source: ForeignWeights, network: Network, unscored: bool) -> tuple[dict[str, Tensor], Fit]:
    """The state of `network` with a file's weights, and how they were used.

    Args:
        source: The file's content.
        network: The network, which may be on the meta device and is not changed.
        unscored: Scoring layers may be missing.

    Raises:
        ValueError: A layer is missing, has another shape, or is not part of the network.
    """
    report, state, used = Fit(), {}, set()
    for name, parameter in network.named_parameters():
        short = ".".join(name.split(".")[-2:])
        found = _found(short, source.weights, network)
        if found is None and unscored and short.startswith("score_"):
            report.missing.append(short)
            continue
        if found is None:
            source.weight(short.rpartition(".")[0])
            raise ValueError(
                f"{source.path} has no `{short}`. Import a file with all weights of the network."
            )
        used.add(found)
        state[name] = _shaped(source, short, source.weights[found], parameter)
        changed = state[name].ndim != source.weights[found].ndim
        (report.reshaped if changed else report.copied).append(short)
    for name in source.weights:
        if unscored and CLASSIFIERS.fullmatch(name):
            report.left_out.append(name)
        elif name not in used:
            _check_built(source, name, network)
            report.built.append(name)
    return state, report


def _found(name: str, weights: Mapping[str, Tensor], network: Network) -> str | None:
    """The file's name for a weight; late fusion has one upscore layer for all modalities."""
    if name in weights:
        return name
    if isinstance(network, LateFusion) and name.startswith("upscore"):
        for modality in network.branches:
            if (shared := name.replace(f"{modality}.", ".")) in weights:
                return shared
    return None


def _shaped(source: ForeignWeights, name: str, value: Tensor, parameter: Tensor) -> Tensor:
    """The weight in the shape of the network's; a matrix becomes a convolution's."""
    if value.ndim == 2 and parameter.ndim == 4:
        try:
            value = convolutionalize(value, parameter.shape[1], parameter.shape[2])
        except ValueError as error:
            raise ValueError(f"{source.path}: `{name}`: {error}") from None
    _check_shape(source, name, value, tuple(parameter.shape))
    return value


def _check_shape(
    source: ForeignWeights, name: str, value: Tensor, expected: tuple[int, ...]
) -> None:
    if tuple(value.shape) != expected:
        raise ValueError(
            f"{source.path}: `{name}` has the shape {tuple(value.shape)}; the layers around it "
            f"require {expected}. Import a file of a published network."
        )


def _check_built(source: ForeignWeights, name: str, network: Network) -> None:
    """Check that a weight without a parameter is the kernel of a fixed upscore layer."""
    layer = name.rpartition(".")[0]
    for own, (classes, side) in _upscores(network):
        if own == layer or (isinstance(network, LateFusion) and own.startswith(layer)):
            shape = (classes, classes, side, side)
            return _check_shape(source, name, source.weights[name], shape)
    raise ValueError(
        f"{source.path} has the layer `{layer}`, which is not part of a supported network. Its "
        f"layers with weights are {summary(source.layers)}."
    )


def _upscores(network: nn.Module) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield each fixed upscore layer's name, classes and kernel size."""
    for name, layer in network.named_modules():
        if isinstance(layer, FixedUpscore):
            side = layer.get_buffer("kernel").shape[-1]
            yield name.rpartition(".")[2], (layer.num_classes, side)
