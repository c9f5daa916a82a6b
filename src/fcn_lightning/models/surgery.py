"""Net surgery: bilinear kernels, convolutions from fully connected layers, weight transplants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn


def bilinear_kernel(size: int) -> Float[Tensor, "size size"]:
    """The kernel of bilinear interpolation; it sums to the squared stride.

    Source: shelhamer/fcn.berkeleyvision.org surgery.py, `upsample_filt`.
    """
    factor = (size + 1) // 2
    center = factor - 1 if size % 2 == 1 else factor - 0.5
    line = 1 - (torch.arange(size, dtype=torch.float64) - center).abs() / factor
    return torch.outer(line, line).float()


def convolutionalize(
    weight: Float[Tensor, "out flat"], channels: int, kernel: int
) -> Float[Tensor, "out channels kernel kernel"]:
    """Reshapes the weight of a fully connected layer into that of the equivalent convolution.

    Source: Long et al. 2015, 3.1, Figure 2.

    Raises:
        ValueError: The number of inputs is not `channels * kernel * kernel`.
    """
    out, flat = weight.shape
    if flat != channels * kernel * kernel:
        raise ValueError(
            f"A fully connected layer over {channels} maps of {kernel} x {kernel} must have "
            f"{channels * kernel * kernel} inputs; got {flat}."
        )
    return weight.reshape(out, channels, kernel, kernel)


@dataclass
class Transplant:
    """The result of a transplant, as names of parameters.

    Attributes:
        copied: Copied as they are.
        reshaped: Copied from a fully connected layer into a convolution.
        missing: Parameters of the network that the weights do not have; left as initialized.
        left_out: Weights that the network does not have.
    """

    copied: list[str] = field(default_factory=list)
    reshaped: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        parts = [f"{len(self.copied)} copied"]
        parts += (
            [f"{len(self.reshaped)} reshaped ({_layers(self.reshaped)})"] if self.reshaped else []
        )
        parts += [f"left as initialized: {_layers(self.missing)}"] if self.missing else []
        parts += [f"not used: {_layers(self.left_out)}"] if self.left_out else []
        return ", ".join(parts)


def transplant(target: nn.Module, source: Mapping[str, Tensor]) -> Transplant:
    """Copy weights and statistics into those of `target` with the same layer names.

    Only the last two parts of a name count: `backbone.fc6.weight` and `fc6.weight` are the same.
    Where layers of `target` share these parts, as the blocks of a ResNet do, what follows
    `backbone.` counts. The matrix of a fully connected layer is reshaped into the convolution of
    that name. `conv1_1` is extended to the `conv1_1_bgrd` of a network with depth as fourth
    channel: its depth filter is the mean of the three color filters. So is `conv1_1` of a network
    of depth alone.

    Source: shelhamer/fcn.berkeleyvision.org surgery.py, `transplant`; nyud-fcn32s-color-d/solve.py.

    Raises:
        ValueError: A parameter of the same name has another shape or is not finite, or no names
            match. Nothing is copied then.
    """
    own = target.state_dict()
    shared = {name for name, count in Counter(map(_short, own)).items() if count > 1}
    values = {_key(name, shared): value for name, value in source.items()}
    if any(_short(name) == "conv1_1_bgrd.weight" for name in own):
        values = _with_depth(values)
    report = Transplant()
    sizes = "widths (`backbone.widths`, `backbone.fc_widths`, `backbone.fc6_kernel`"
    if shared:
        sizes = "model (`backbone.model`, `backbone.options`"
    copies: list[tuple[Tensor, Tensor]] = []
    for name, parameter in own.items():
        key = _key(name, shared)
        value = values.pop(key, None)
        if value is None:
            report.missing += [key] if not key.endswith(".num_batches_tracked") else []
            continue
        if key == "conv1_1.weight" and (parameter.shape[1], value.shape[1]) == (1, 3):
            value = value.mean(1, keepdim=True)
        if value.ndim == 2 and parameter.ndim == 4:
            value = _as_convolution(key, value, parameter)
            report.reshaped.append(key)
        else:
            report.copied.append(key)
        if value.shape != parameter.shape:
            raise ValueError(
                f"`{key}` must have the shape {tuple(parameter.shape)}; the weights have "
                f"{tuple(value.shape)}. Choose the {sizes}) and classes that the weights were "
                "trained with."
            )
        if not torch.isfinite(value).all():
            raise ValueError(f"`{key}` must be finite; the weights hold NaN or infinity.")
        copies.append((parameter, value))
    if not copies:
        raise ValueError(
            "The weights have no layer in common with the network. The network has "
            f"{_layers(report.missing)}; the weights have {_layers(list(values)) or 'no layers'}."
        )
    report.left_out = list(values)
    with torch.no_grad():
        for parameter, value in copies:
            parameter.copy_(value)
    return report


def with_suffix(source: Mapping[str, Tensor], suffix: str) -> dict[str, Tensor]:
    """Rename weights to layer name plus suffix: `backbone.fc6.bias` -> `fc6hha.bias`."""
    split = {name: _short(name).rpartition(".") for name in source}
    return {f"{layer}{suffix}.{kind}": source[name] for name, (layer, _, kind) in split.items()}


def _key(name: str, shared: Collection[str]) -> str:
    """The part of a name by which weights are matched."""
    short = _short(name)
    return name.rpartition("backbone.")[2] if short in shared else short


def _with_depth(values: dict[str, Tensor]) -> dict[str, Tensor]:
    first = values.get("conv1_1.weight")
    if first is None:
        return values
    widened = {"weight": torch.cat([first, first.mean(1, keepdim=True)], dim=1)}
    widened["bias"] = values["conv1_1.bias"]
    kept = {name: value for name, value in values.items() if not name.startswith("conv1_1.")}
    return {f"conv1_1_bgrd.{kind}": value for kind, value in widened.items()} | kept


def _as_convolution(name: str, matrix: Tensor, parameter: Tensor) -> Tensor:
    try:
        return convolutionalize(matrix, parameter.shape[1], parameter.shape[2])
    except ValueError as error:
        raise ValueError(f"`{name}`: {error}") from None


def _short(name: str) -> str:
    """`backbone.fc6.weight` -> `fc6.weight`."""
    return ".".join(name.split(".")[-2:])


def _layers(names: list[str]) -> str:
    return ", ".join(dict.fromkeys(name.rsplit(".", 1)[0] for name in names))
