"""From a model and its weights to the network."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from fcn_lightning.fidelity.cases import Case
from fcn_lightning.fidelity.compare import Comparison, Row, Values
from fcn_lightning.fidelity.files import read
from fcn_lightning.fidelity.reference import MODELS, Model
from fcn_lightning.models import FCN, LateFusion, build, transplant
from fcn_lightning.models.backbones.googlenet import INCEPTIONS
from fcn_lightning.models.normalize import Normalize
from fcn_lightning.weights.trunks import BRANCHES


def network_of(name: str, weights: Values, file: Path, *, dense: bool = False) -> FCN | LateFusion:
    """The network of a model with these weights, every one of which must find its place.

    Upscore layers are fixed bilinear ones; dense, from every class to every class, where the
    weights hold one, or `dense` asks for it.

    Raises:
        ValueError: The weights are of another network, lack one of its layers, or hold others.
    """
    model, values = MODELS[name], dict(weights)
    dense = dense or any(key.startswith("upscore") for key in values)
    if model.fusion == "late":  # its one last upscore layer is the first network's
        values = {_of_first(key, model.inputs[0]): value for key, value in values.items()}
    description = _description(model, values, file, dense=dense)
    for skip in model.skips if model.at_once else ():
        del values[f"scale_{skip}.weight"]
    network = build(**description)
    assert isinstance(network, FCN | LateFusion)
    layers = parameters_of(network)
    missing = [key for key in layers if key not in values and not key.startswith("upscore")]
    beside = [key for key in values if key not in layers]
    if missing or beside:
        raise ValueError(
            f"`{file.name}` must hold the layers of {name}; it lacks {', '.join(missing) or 'none'}"
            f", and holds {', '.join(beside) or 'none'} beside. Name it after its own network, or "
            "make it as the README says."
        )
    try:
        transplant(network, {key: torch.from_numpy(values[key]) for key in values})
    except ValueError as error:
        raise ValueError(f"`{file.name}` must hold the weights of {name}. {error}") from error
    return network.eval()


def parameters_of(network: nn.Module) -> dict[str, nn.Parameter]:
    """By the layers' own names: `fc6.weight`."""
    return {".".join(name.split(".")[-2:]): p for name, p in network.named_parameters()}


def check_weights(case: Case) -> list[Row]:
    """Whether each layer of the network has the weights of its name.

    Raises:
        ValueError: As `network_of`.
    """
    weights = read(case.path)
    comparison = Comparison(case.title, 0.0)
    for name, parameter in parameters_of(network_of(case.model, weights, case.path)).items():
        if name in weights:
            comparison.add(name, parameter.detach(), weights[name])
    return [comparison.row("{} weights and biases in their places")]


def without_normalization(network: FCN | LateFusion) -> None:
    """Lets a network take what is already normalized."""
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, Normalize):
                setattr(parent, name, nn.Identity())


def _of_first(key: str, first: str) -> str:
    return re.sub(r"(upscore\d*)(\.weight)", rf"\1{first}\2", key)


def _description(model: Model, values: Values, file: Path, *, dense: bool) -> dict[str, Any]:
    """The arguments of `build`, with widths and classes as the weights have them."""

    def shape(layer: str) -> tuple[int, ...]:
        key = f"{layer}.weight"
        if key not in values:
            raise ValueError(
                f"`{file.name}` must hold a weight for each layer of its network; it lacks "
                f"{key}. Name it after its own network, or make it as the README says."
            )
        return values[key].shape

    end = model.inputs[0] if model.fusion == "late" else ""

    def widths(*layers: str) -> tuple[int, ...]:
        return tuple(shape(layer + end)[0] for layer in layers)

    backbone: dict[str, Any] = {"name": model.backbone}
    if model.backbone == "googlenet":
        blocks = [[f"inception_{name}/{branch}" for branch in BRANCHES] for name in INCEPTIONS]
        backbone["stem"] = widths("conv1/7x7_s2", "conv2/3x3_reduce", "conv2/3x3")
        backbone["inceptions"] = tuple(widths(*block) for block in blocks)
    else:
        backbone["widths"] = widths(*LAST_OF_BLOCK[model.backbone])
        backbone["fc_widths"] = widths("fc6", "fc7")
    head: dict[str, Any] = {"name": "skip", "skips": model.skips}
    if model.at_once:
        for skip in model.skips:
            shape(f"scale_{skip}")
        head["scales"] = tuple(_scale(values, skip, file) for skip in model.skips)
    if dense:
        head["upscore"] = "all"
    heads = {name: shape(f"score_fr_{name}")[0] for name in model.heads}
    return {
        "backbone": backbone,
        "head": head,
        "num_classes": heads or shape(f"score_fr{end}")[0],
        "normalize": model.normalize,
        "fusion": model.fusion,
    }


def _scale(values: Values, skip: str, file: Path) -> float:
    """The one factor of all channels of a skip."""
    factors = np.unique(values[f"scale_{skip}.weight"])
    if len(factors) != 1:
        raise ValueError(
            f"`{file.name}` must hold one value for all channels in scale_{skip}.weight; it holds "
            f"{len(factors)}. Make it as the README of the golden files says."
        )
    return float(factors[0])


LAST_OF_BLOCK = {
    "vgg16": ("conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3"),
    "caffenet": ("conv1", "conv2", "conv3", "conv4", "conv5"),
}
"""The convolutions whose channels are a backbone's widths."""
