"""Checkpoints: plain values and tensors, from which a network is rebuilt alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fcn_lightning.models import Network, build
from fcn_lightning.models.normalize import NORMALIZATIONS
from fcn_lightning.weights.classifiers import from_torchvision

PREFIX = "network."


@dataclass(frozen=True)
class Checkpoint:
    """What `fcn-train` saved: the run's card, and the network's weights at a step."""

    path: Path
    card: Mapping[str, Any]
    weights: Mapping[str, Tensor]
    step: int

    def network(self) -> Network:
        """The network as it was saved; an imported classifier scores zero.

        Raises:
            ValueError: The weights are not those of the network that the card describes.
        """
        network = build(**self.card["network"])
        weights = dict(self.weights)
        if self.card.get("unscored"):
            weights = {n: p for n, p in network.state_dict().items() if _scores(n)} | weights
        try:
            network.load_state_dict(weights)
        except RuntimeError as error:
            raise ValueError(
                f"{self.path} must hold the weights of the network that it describes; "
                f"{' '.join(str(error).split())}"
            ) from error
        return network


def find(place: Path) -> Path:
    """The checkpoint of a run folder (its last one), or the file itself.

    Raises:
        FileNotFoundError: Neither is there.
    """
    path = place / "checkpoints" / "last.ckpt" if place.is_dir() else place
    if not path.is_file():
        raise FileNotFoundError(f"{path} must be a checkpoint; there is no such file.")
    return path


def read_checkpoint(place: Path) -> Checkpoint:
    """Reads a run's last checkpoint, or a checkpoint file.

    Raises:
        FileNotFoundError: It is not there.
        ValueError: The file is no checkpoint of ours, or of a later format.
    """
    path = find(place)
    content = load(path)
    if "fcn_lightning" not in content:
        raise ValueError(
            f"{path} must be a checkpoint of fcn-train; it holds no description of a network."
        )
    card = content["fcn_lightning"]
    if not isinstance(card, Mapping):
        raise ValueError(f"{path} must describe its network by plain values; it does not.")
    if card.get("format") != 1:
        raise ValueError(
            f"{path} must have format 1; it has {card.get('format')}. Use a later version."
        )
    if "network" not in card or "state_dict" not in content:
        raise ValueError(f"{path} must describe a network and hold its weights; it is incomplete.")
    weights = {
        name.removeprefix(PREFIX): value
        for name, value in content["state_dict"].items()
        if name.startswith(PREFIX)
    }
    return Checkpoint(path, card, weights, int(content.get("global_step", 0)))


def read_weights(place: Path, network: Network) -> Mapping[str, Tensor]:
    """The weights that a network starts from, by the network's names for layers.

    Args:
        place: A run folder, a checkpoint, or a file of torchvision's for the same architecture.
        network: What starts from them.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file holds no weights, or those of another architecture or of images that
            are normalized otherwise.
    """
    path = find(place)
    content = load(path)
    if "fcn_lightning" in content:
        checkpoint = read_checkpoint(path)
        _check_normalization(path, checkpoint.card["network"]["normalize"], network)
        return checkpoint.weights
    if not content or not all(isinstance(value, Tensor) for value in content.values()):
        raise ValueError(f"{path} must hold weights by names of layers; it holds something else.")
    if any(name.startswith("features.") for name in content):
        _check_normalization(path, "torchvision", network)
        return from_torchvision(content, network)
    return content


def _check_normalization(path: Path, theirs: object, network: Network) -> None:
    """Means may differ, as those of the reference's data sets do; the scale of values may not."""
    ours = network.description["normalize"]
    if not isinstance(ours, str) or not isinstance(theirs, str):
        return
    if NORMALIZATIONS[ours].scale != NORMALIZATIONS[theirs].scale:
        raise ValueError(
            f"{path} must be of a network whose images are normalized as this one's, by '{ours}'; "
            f"its were by '{theirs}'. Add normalize={theirs}."
        )


def _scores(name: str) -> bool:
    return name.split(".")[-2].startswith("score_")


def load(path: Path) -> Mapping[str, Any]:
    """Plain values and tensors of a file of torch's.

    Raises:
        OSError: It is not there.
        ValueError: The file is none, or holds objects of other kinds.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a file of something else makes torch raise
        raise ValueError(
            f"{path} must be a checkpoint or a file of weights; it cannot be read as one: it is "
            "cut off, or something else, or holds more than plain values and tensors. Save or "
            "fetch it again; a .caffemodel is read by `fcn import`."
        ) from error
    if not isinstance(content, Mapping) or not all(isinstance(key, str) for key in content):
        raise ValueError(f"{path} must hold weights by names of layers; it holds something else.")
    return content
