"""A file's weights under the names that our network has for them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

from fcn_lightning.models import LateFusion, Network
from fcn_lightning.models.skip import FixedUpscore
from fcn_lightning.models.surgery import Transplant, convolutionalize
from fcn_lightning.weights.source import Source, summary

CLASSIFIERS = re.compile(r"(fc8|loss3/classifier|loss[12]/(conv|fc|classifier))\.\w+")
"""What a classifier has and an FCN of it has not."""


@dataclass
class Fit(Transplant):
    """What became of a file's weights; `built` are bilinear kernels, which need no weights."""

    built: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        layers = ", ".join(name.rpartition(".")[0] for name in self.built)
        return super().__str__() + (f", built as bilinear: {layers}" if layers else "")


def fit(source: Source, network: Network, unscored: bool) -> tuple[dict[str, Tensor], Fit]:
    """The state that `network` would have with the file's weights, and what was done.

    Args:
        source: The file's content.
        network: What they are for; it may be on the meta device, and stays as it is.
        unscored: Scoring layers may be missing.

    Raises:
        ValueError: A layer is missing, or of another shape, or one that the network has not.
    """
    report, state, used = Fit(), {}, set()
    for name, parameter in network.named_parameters():
        own = _short(name)
        found = _found(own, source.weights, network)
        if found is None:
            if not (unscored and own.startswith("score_")):
                source.weight(own.rpartition(".")[0])
                raise ValueError(
                    f"{source.path} must hold every layer of its network; `{own}` is missing."
                )
            report.missing.append(own)
            continue
        used.add(found)
        value = source.weights[found]
        if value.ndim == 2 and parameter.ndim == 4:
            report.reshaped.append(own)
            value = _convolution(source, own, value, parameter)
        else:
            report.copied.append(own)
        _check_shape(source, own, value, tuple(parameter.shape))
        state[name] = value
    for name in source.weights:
        if unscored and CLASSIFIERS.fullmatch(name):
            report.left_out.append(name)
        elif name not in used:
            _check_built(source, name, network)
            report.built.append(name)
    return state, report


def _short(name: str) -> str:
    return ".".join(name.split(".")[-2:])


def _found(name: str, weights: Mapping[str, Tensor], network: Network) -> str | None:
    """The file's name for a weight: late fusion upscores what all its trunks scored, once."""
    if name in weights:
        return name
    if isinstance(network, LateFusion) and name.startswith("upscore"):
        for modality in network.branches:
            if (plain := name.replace(f"{modality}.", ".")) in weights:
                return plain
    return None


def _convolution(source: Source, name: str, matrix: Tensor, parameter: Tensor) -> Tensor:
    try:
        return convolutionalize(matrix, parameter.shape[1], parameter.shape[2])
    except ValueError as error:
        raise ValueError(f"{source.path}: `{name}`: {error}") from None


def _check_shape(source: Source, name: str, value: Tensor, expected: tuple[int, ...]) -> None:
    if tuple(value.shape) != expected:
        raise ValueError(
            f"{source.path}: `{name}` must be {_by(expected)}, as the layers around it have it; "
            f"it is {_by(tuple(value.shape))}. Give a file of the networks that are known."
        )


def _check_built(source: Source, name: str, network: Network) -> None:
    """A layer that is left over must be an upscore layer of ours, of our size."""
    layer = name.rpartition(".")[0]
    for own, (classes, side) in _upscores(network):
        if own == layer or (isinstance(network, LateFusion) and own.startswith(layer)):
            shape = (classes, classes, side, side)
            return _check_shape(source, name, source.weights[name], shape)
    raise ValueError(
        f"{source.path} must hold one of the networks that are known; it has `{layer}`, which its "
        f"network has not. Its layers with weights are {summary(source.layers)}."
    )


def _upscores(network: nn.Module) -> Iterator[tuple[str, tuple[int, int]]]:
    for name, layer in network.named_modules():
        if isinstance(layer, FixedUpscore):
            side = layer.get_buffer("kernel").shape[-1]
            yield name.rpartition(".")[2], (layer.num_classes, side)


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
