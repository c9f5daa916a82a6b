"""Identifies the format of a weight file, by its first bytes and the names of its layers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from fcn_lightning.formats import timm_weights, torchfcn, torchvision
from fcn_lightning.formats.checkpoint import KEY, Checkpoint, find
from fcn_lightning.formats.foreign import ForeignWeights
from fcn_lightning.formats.torch_file import check_state, load
from fcn_lightning.models import Network
from fcn_lightning.models.backbones.timm_models import normalization_of
from fcn_lightning.models.normalize import NORMALIZATIONS

TORCH = (b"PK\x03\x04", b"\x80\x02")
"""The first bytes of files that torch writes: zip archives, and pickles before torch 1.6."""


class StartWeights(dict[str, Tensor]):
    """Weights by layer name; `note` says how they were read where the file does not tell."""

    note: str | None = None


def read_weights(place: Path, network: Network) -> StartWeights:
    """Read the weights that a network starts from, by its names for layers.

    Args:
        place: A run folder, a checkpoint, weights of the same backbone by torchvision's or timm's
            names, a `state_dict()` with the network's names for layers, or HUB.
        network: The network.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file holds no weights, or those of another backbone, or of a network whose
            images are scaled differently.
    """
    backbone = timm_weights.backbone_of(network)
    if backbone and place == timm_weights.HUB:
        _check_normalization(place, normalization_of(backbone.model), network)
        return StartWeights(timm_weights.from_hub(backbone))
    path = find(place)
    with torch.serialization.safe_globals(torchfcn.SAFE_GLOBALS):
        content = load(path)
    if KEY in content:
        checkpoint = Checkpoint.parse(path, content)
        _check_normalization(path, checkpoint.card["network"]["normalize"], network)
        return StartWeights(checkpoint.weights)
    if torchfcn.is_checkpoint(content):
        raise ValueError(
            f"{path} is a checkpoint of torchfcn ({content['arch']}). Import it first: "
            f"fcn import {path}"
        )
    state = check_state(path, content)
    if backbone:
        _check_normalization(path, normalization_of(backbone.model), network)
        return StartWeights(timm_weights.renamed(state, backbone) or state)
    if torchvision.is_classifier(state):
        weights = StartWeights(torchvision.renamed(state, network))
        weights.note = _reading(path, network)
        return weights
    return StartWeights(state)


def read_foreign(path: Path, *, at_once: bool) -> ForeignWeights:
    """Read another framework's file: a `.caffemodel`, or a `.pth` of torchfcn or torchvision.

    Args:
        path: The file; its suffix does not matter.
        at_once: The weights are of torchfcn's FCN8sAtOnce.

    Raises:
        OSError: The file cannot be read.
        ValueError: The file is damaged or of another format, or `at_once` does not apply to it.
    """
    with path.open("rb") as file:
        by_torch = file.read(4).startswith(TORCH)
    if by_torch:
        return _read_torch(path, at_once=at_once)
    if at_once:
        raise ValueError(
            f"`at_once` does not apply to {path}: a .caffemodel contains the layers that scale its "
            "skips. Omit it."
        )
    from fcn_lightning.formats.caffe import caffemodel  # protobuf, which training does not need

    return caffemodel.foreign_weights(path)


def _check_normalization(path: Path, theirs: object, network: Network) -> None:
    """Compare scales only: the means differ between the reference's data sets as well.

    Depths have other scales than the colors from whose weights their network starts.
    """
    ours = network.description["normalize"]
    if not isinstance(ours, str) or not isinstance(theirs, str):
        return
    a, b = NORMALIZATIONS[ours], NORMALIZATIONS[theirs]
    if len(a.mean) == len(b.mean) and a.scale != b.scale:
        raise ValueError(
            f"{path} was trained on images normalized by '{theirs}'; this network uses '{ours}'. "
            f"Set normalize={theirs}."
        )


def _reading(path: Path, network: Network) -> str | None:
    """The reading of a classifier with torchvision's layer names; Caffe's may have them too."""
    name = network.description["normalize"]
    if not isinstance(name, str) or len(NORMALIZATIONS[name].mean) != 3:
        return None
    if NORMALIZATIONS[name].scale == (1.0,):
        return (
            f"{path} was read as converted from Caffe (BGR, 0..255), as normalize={name} says. If "
            "torchvision trained it, set normalize=torchvision."
        )
    return (
        f"{path} was read as trained by torchvision, as normalize={name} says. If it was converted "
        "from Caffe (BGR, 0..255), set normalize=caffe."
    )


def _read_torch(path: Path, *, at_once: bool) -> ForeignWeights:
    with torch.serialization.safe_globals(torchfcn.SAFE_GLOBALS):
        content = load(path)
    if KEY in content:
        raise ValueError(f"{path} is a checkpoint of fcn-lightning already. Use it as it is.")
    state = check_state(path, content)
    _check_numbers(path, state)
    if torchvision.is_googlenet(state):
        raise ValueError(
            f"{path} is torchvision's GoogLeNet, which differs from the published one (batch "
            "normalization, no 5 x 5 convolutions). Import Caffe's bvlc_googlenet.caffemodel."
        )
    if not torchvision.is_classifier(state):
        return torchfcn.foreign_weights(path, state, content.get("arch"), at_once=at_once)
    if at_once:
        raise ValueError(
            f"`--at-once` applies to torchfcn's FCN8sAtOnce; {path} is of torchvision. Omit "
            "`--at-once`."
        )
    return torchvision.foreign_weights(path, state)


def _check_numbers(path: Path, state: Mapping[str, Tensor]) -> None:
    for name, value in state.items():
        if value.ndim == 0:
            raise ValueError(
                f"{path}: `{name}` is not a dense array of real numbers. Save the network's "
                "`state_dict()`."
            )
        if not torch.isfinite(value).all():
            raise ValueError(
                f"{path}: `{name}` contains NaN or infinity. Use weights from before the training "
                "diverged."
            )
