"""A network in a few lines: input, endpoints, upscore kernels, crops and parameters."""

from __future__ import annotations

from typing import Any

from torch import nn

from fcn_lightning.models.build import Network
from fcn_lightning.models.fcn import FCN, Classifier
from fcn_lightning.models.fusion import EarlyFusion, Heads, LateFusion
from fcn_lightning.models.normalize import Normalize
from fcn_lightning.models.skip import FixedUpscore, SkipHead

Row = tuple[str, str]
"""A label and a text; labels are aligned."""


def summarize(network: Network) -> str:
    """Describe a network in aligned lines.

    For each endpoint: channels, stride, offset (where its pixel (0, 0) lies in the image) and
    receptive field. For each upscore layer: kernel, factor, and how many rows at the top and
    columns on the left are cropped from which map. Fixed kernels do not count as parameters.
    """
    backbone = getattr(network, "description", {}).get("backbone", {})
    name = f"{backbone.get('name', '')} {backbone.get('model', '')}".strip()
    if isinstance(network, LateFusion):
        rows = _late_fusion(network, name)
    elif isinstance(network, Classifier):
        rows = _classifier(network, name)
    else:
        rows = _fcn(network, name)
    rows.append(("parameters", _num_parameters(network)))
    width = max(len(label) for label, _ in rows)
    return "\n".join(f"{label:<{width}}  {text}".rstrip() for label, text in rows)


def _fcn(network: FCN, name: str) -> list[Row]:
    heads = network.head.heads.items() if isinstance(network.head, Heads) else [("", network.head)]
    rows = _input(network.normalize) + _backbone(network.backbone, name)
    if network.image_scale != 1:
        rows.insert(1, ("", f"scaled by {network.image_scale:g}, scores scaled back"))
    for label, head in heads:
        rows += _head(head, f"head {label}".strip())
    return rows


def _late_fusion(network: LateFusion, name: str) -> list[Row]:
    rows: list[Row] = []
    upscores: list[Row] = []
    for modality, branch in network.branches.items():
        assert isinstance(branch, FCN)
        *own, upscore = _fcn(branch, name)
        rows += [(f"branch {modality}", ""), *((f"  {label}", text) for label, text in own)]
        upscores.append(upscore)
    label, text = upscores[0]  # the mean of all branches is upscored by the first branch's layer
    return [*rows, ("score_fused", "mean of the branches' scores"), (label.strip(), text)]


def _classifier(network: Classifier, name: str) -> list[Row]:
    first, *_, last = (label for label, _ in network.features.named_children())
    rows = _input(network.normalize)
    rows += [("classifier", name), ("  features", f"{first} to {last}")]
    for label, layer in network.classifier.named_children():
        if isinstance(layer, nn.Linear):
            rows.append((f"  {label}", f"{layer.in_features:,} to {layer.out_features:,} values"))
    return rows


def _input(normalize: nn.Module) -> list[Row]:
    if isinstance(normalize, EarlyFusion):
        return [
            (f"input {modality}", _normalization(part))
            for modality, part in normalize.modalities.items()
        ]
    return [("input", _normalization(normalize))]


def _normalization(normalize: nn.Module) -> str:
    if not isinstance(normalize, Normalize):
        return type(normalize).__name__
    values = normalize.normalization
    text = "BGR" if values.bgr else "channels as stored"
    text += ", logarithm" if values.log else ""
    text += f", minus {_numbers(values.mean)}"
    return text + (f", divided by {_numbers(values.scale)}" if values.scale != (1.0,) else "")


def _backbone(backbone: Any, name: str) -> list[Row]:
    side = backbone.smallest_input
    about = f"{_num_parameters(backbone)} parameters, smallest input {side} x {side}"
    rows = [("backbone", f"{name}, {about}" if name else about)]
    for label, endpoint in backbone.endpoints.items():
        grid = endpoint.grid
        text = f"{endpoint.channels:>5,} channels, stride {int(grid.stride):>2}, "
        text += f"offset {float(grid.offset):>5g}, receptive field {int(grid.receptive_field):>3}"
        rows.append((f"  {label}", text))
    return rows


def _head(head: nn.Module, label: str) -> list[Row]:
    assert isinstance(head, SkipHead)
    about = f"{head.num_classes} classes, {_num_parameters(head)} parameters"
    rows = [(label, about), (f"  score_{head.coarsest}{head.suffix}", f"1 x 1 on {head.last}")]
    for (name, crops), skip, scale in zip(head.crops.items(), head.skips, head.scales):
        score = f"score_{skip}{head.suffix}"
        scaled = f" times {scale:g}" if scale != 1 else ""
        rows.append(_upscore(head, name, dict(zip(("its output", score), crops))))
        fused = ", fused by maximum" if head.fuse == "max" else ""
        rows.append((f"  {score}", f"1 x 1 on {skip}{scaled}{fused}"))
    name, (crop, _) = list(head.crops.items())[-1]
    return [*rows, _upscore(head, name, {"its output": crop})]


def _upscore(head: SkipHead, name: str, crops: dict[str, int]) -> Row:
    layer = head.get_submodule(name + head.suffix)
    if isinstance(layer, FixedUpscore):
        side, factor, kind = layer.get_buffer("kernel").shape[0], layer.factor, "fixed"
    else:
        assert isinstance(layer, nn.ConvTranspose2d)
        side, factor, kind = layer.kernel_size[0], layer.stride[0], "learned"
    cropped = [f"{_rows(crop)} of {what}" for what, crop in crops.items() if crop]
    text = f"{side} x {side}, factor {factor}, {kind}, crops {''.join(cropped) or 'nothing'}"
    return f"  {name}{head.suffix}", text


def _rows(crop: int) -> str:
    return "1 row and column" if crop == 1 else f"{crop} rows and columns"


def _num_parameters(module: nn.Module) -> str:
    return f"{sum(parameter.numel() for parameter in module.parameters()):,}"


def _numbers(values: tuple[float, ...]) -> str:
    return f"({', '.join(map(str, values))})"
