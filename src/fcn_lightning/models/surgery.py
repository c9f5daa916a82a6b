"""Net surgery: bilinear kernels, fully connected layers into convolutions, transplants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn


def bilinear_kernel(size: int) -> Float[Tensor, "size size"]:
    """The kernel of bilinear interpolation, not normalized: it sums to the squared stride.

    Source: shelhamer/fcn.berkeleyvision.org surgery.py, `upsample_filt`.
    """
    factor = (size + 1) // 2
    center = factor - 1 if size % 2 == 1 else factor - 0.5
    line = 1 - (torch.arange(size, dtype=torch.float64) - center).abs() / factor
    return torch.outer(line, line).float()


def convolutionalize(
    weight: Float[Tensor, "out flat"], channels: int, kernel: int
) -> Float[Tensor, "out channels kernel kernel"]:
    """A fully connected layer's weight as the convolution that computes the same.

    Source: Long et al. 2015, 3.1, Figure 2.

    Raises:
        ValueError: The inputs are not `channels` maps of `kernel` x `kernel`.
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
    """What a transplant did, by names of parameters."""

    copied: list[str] = field(default_factory=list)
    reshaped: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        parts = [f"{len(self.copied)} copied"]
        parts += (
            [f"{len(self.reshaped)} reshaped ({_layers(self.reshaped)})"] if self.reshaped else []
        )
        parts += [f"left at their start: {_layers(self.missing)}"] if self.missing else []
        parts += [f"not used: {_layers(self.left_out)}"] if self.left_out else []
        return ", ".join(parts)


def transplant(target: nn.Module, source: Mapping[str, Tensor]) -> Transplant:
    """Copies the parameters of `source` into those of `target` that have their names.

    A layer is found by its own name, wherever it stands (`backbone.fc6.weight` and `fc6.weight`
    are the same). A fully connected layer's matrix becomes the convolution of the same name, and
    `conv1_1` becomes the `conv1_1_bgrd` of a network that sees depth too: the filter for depth is
    the mean of those for the three colours.

    Source: shelhamer/fcn.berkeleyvision.org surgery.py, `transplant`; nyud-fcn32s-color-d/solve.py.

    Raises:
        ValueError: A parameter of the same name has another size, or is not finite, or no name
            is shared at all. Then nothing has been copied.
    """
    values = {_short(name): value for name, value in source.items()}
    if any(_short(name) == "conv1_1_bgrd.weight" for name, _ in target.named_parameters()):
        values = _with_depth(values)
    report = Transplant()
    copies: list[tuple[nn.Parameter, Tensor]] = []
    for name, parameter in target.named_parameters():
        value = values.pop(_short(name), None)
        if value is None:
            report.missing.append(_short(name))
            continue
        if value.ndim == 2 and parameter.ndim == 4:
            value = _as_convolution(_short(name), value, parameter)
            report.reshaped.append(_short(name))
        else:
            report.copied.append(_short(name))
        if value.shape != parameter.shape:
            raise ValueError(
                f"`{_short(name)}` must have the shape {tuple(parameter.shape)}; the weights have "
                f"{tuple(value.shape)}. Choose the widths (`backbone.widths`, `backbone.fc_widths`,"
                " `backbone.fc6_kernel`) and classes that the weights were trained with."
            )
        if not torch.isfinite(value).all():
            raise ValueError(f"`{_short(name)}` must be finite; the weights hold NaN or infinity.")
        copies.append((parameter, value))
    if not copies:
        raise ValueError(
            f"The weights must share layers with the network ({_layers(report.missing)}); they "
            f"hold {_layers(list(values)) or 'nothing'}."
        )
    report.left_out = list(values)
    with torch.no_grad():
        for parameter, value in copies:
            parameter.copy_(value)
    return report


def with_suffix(source: Mapping[str, Tensor], suffix: str) -> dict[str, Tensor]:
    """Weights under their layers' own names with a suffix: `backbone.fc6.bias` -> `fc6hha.bias`."""
    split = {name: _short(name).rpartition(".") for name in source}
    return {f"{layer}{suffix}.{kind}": source[name] for name, (layer, _, kind) in split.items()}


def _with_depth(values: dict[str, Tensor]) -> dict[str, Tensor]:
    first = values.get("conv1_1.weight")
    if first is None:
        return values
    widened = {"weight": torch.cat([first, first.mean(1, keepdim=True)], dim=1)}
    widened["bias"] = values["conv1_1.bias"]
    kept = {name: value for name, value in values.items() if not name.startswith("conv1_1.")}
    return {f"conv1_1_bgrd.{kind}": value for kind, value in widened.items()} | kept


def _as_convolution(name: str, matrix: Tensor, parameter: nn.Parameter) -> Tensor:
    try:
        return convolutionalize(matrix, parameter.shape[1], parameter.shape[2])
    except ValueError as error:
        raise ValueError(f"`{name}`: {error}") from None


def _short(name: str) -> str:
    """`backbone.fc6.weight` -> `fc6.weight`."""
    return ".".join(name.split(".")[-2:])


def _layers(names: list[str]) -> str:
    return ", ".join(dict.fromkeys(name.rsplit(".", 1)[0] for name in names))
