"""This package's checkpoints, from which a network is rebuilt without any other file.

A checkpoint is a Lightning checkpoint with one more entry, the card: a format version, the plain
values that `build` turns into the network, and values that its writer adds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fcn_lightning.files import replacing
from fcn_lightning.formats.card import labels_of, memory_format_of
from fcn_lightning.formats.torch_file import check_tensors, load
from fcn_lightning.labels import LabelSet, LabelSets, by_name
from fcn_lightning.models import Network, build
from fcn_lightning.models.backbones import BACKBONES

KEY = "fcn_lightning"
"""The card's key in the file."""

FORMAT = 1

PREFIX = "network."
"""Precedes the network's names in `state_dict`: the training task's attribute."""


@dataclass(frozen=True)
class Checkpoint:
    """A network's description and weights at a training step, or at step 0 if imported.

    The card has `format`, `network` (the arguments of `build`) and, for example, `labels`, `data`
    and `loss`.
    """

    path: Path
    card: Mapping[str, Any]
    weights: Mapping[str, Tensor]
    step: int

    @staticmethod
    def card_of(network: Network, more: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The card of a network, with `more` plain values."""
        return {"format": FORMAT, "network": network.description, **(more or {})}

    @staticmethod
    def card_of_labels(labels: LabelSets) -> dict[str, dict[str, Any]]:
        """The classes of each head as plain values, for the card's `labels`."""
        return {head: asdict(own) for head, own in by_name(labels).items()}

    @property
    def labels(self) -> dict[str, LabelSet] | None:
        """The classes of each head; None if the file was written without them.

        Raises:
            ValueError: The card's entry is damaged.
        """
        return labels_of(self.path, self.card)

    @property
    def memory_format(self) -> str:
        """The memory format of its run; earlier versions knew no other than channels_last.

        Raises:
            ValueError: The card's entry is damaged.
        """
        return memory_format_of(self.path, self.card)

    @classmethod
    def parse(cls, path: Path, content: Mapping[str, Any]) -> Checkpoint:
        """The checkpoint in the content of a file.

        Raises:
            ValueError: The content is no checkpoint, of another format version, or incomplete.
        """
        if KEY not in content:
            raise ValueError(
                f"{path} is not a checkpoint of fcn-train: it has no network description. Import "
                "the weights of other projects with `fcn import`."
            )
        card = content[KEY]
        if not isinstance(card, Mapping):
            raise ValueError(
                f"{path} is damaged: its `{KEY}` entry is a {type(card).__name__}, not a mapping."
            )
        if card.get("format") != FORMAT:
            raise ValueError(
                f"{path} has checkpoint format {card.get('format')}; this version of fcn-lightning "
                f"reads format {FORMAT}. Install the version that wrote it."
            )
        for name, part in (("network", card), ("state_dict", content)):
            if name not in part:
                raise ValueError(f"{path} is incomplete: it has no `{name}`.")
            if not isinstance(part[name], Mapping):
                raise ValueError(
                    f"{path} is damaged: its `{name}` is a {type(part[name]).__name__}, not a "
                    "mapping."
                )
        weights = {
            name.removeprefix(PREFIX): value
            for name, value in content["state_dict"].items()
            if str(name).startswith(PREFIX)
        }
        step = content.get("global_step", 0)
        return cls(path, card, check_tensors(path, weights), step if isinstance(step, int) else 0)

    def save(self) -> None:
        """Write the file, without the state of an optimizer or trainer."""
        content = {
            KEY: dict(self.card),
            "state_dict": {PREFIX + name: value for name, value in self.weights.items()},
            "global_step": self.step,
        }
        with replacing(self.path) as temporary:
            torch.save(content, temporary)

    def network(self) -> Network:
        """Build the network with its weights; an imported classifier scores zero.

        Raises:
            ValueError: The weights do not match the network that the card describes.
        """
        description = self.card["network"]
        backbone = description.get("backbone")
        name = backbone.get("name") if isinstance(backbone, Mapping) else None
        if not isinstance(name, str) or name not in BACKBONES:
            raise ValueError(
                f"{self.path} has a backbone of your own, {name!r}. Add --config-dir DIR, the "
                f"folder with its backbone/{name}.yaml; in Python, set BACKBONES[{name!r}] to its "
                "function."
            )
        with torch.device("meta"):  # no memory before it is known that the weights fit
            self._check_fit(self._built().state_dict())
        network = self._built()
        weights = dict(self.weights)
        if self.card.get("unscored"):
            weights = {n: p for n, p in network.state_dict().items() if _scores(n)} | weights
        network.load_state_dict(weights)
        return network

    def _built(self) -> Network:
        try:
            return build(**self.card["network"])
        except Exception as error:  # a description that is damaged can raise anything
            why = " ".join(str(error).split()).rstrip(".")
            raise ValueError(f"{self.path} does not describe a network: {why}.") from error

    def _check_fit(self, expected: Mapping[str, Tensor]) -> None:
        """Compare the names and shapes of the weights with those that the network has."""
        unscored, problem = self.card.get("unscored"), None
        for name in (*expected, *self.weights):
            here, there = self.weights.get(name), expected.get(name)
            if there is None:
                problem = f"the network has no `{name}`"
            elif here is None and not (unscored and _scores(name)):
                problem = f"the file has no `{name}`"
            elif here is not None and here.shape != there.shape:
                problem = f"`{name}` has the shape {tuple(here.shape)}, not {tuple(there.shape)}"
            if problem:
                raise ValueError(
                    f"The weights in {self.path} do not match its network description: {problem}. "
                    "Train or import it again."
                )


def find(place: Path) -> Path:
    """The path of a run folder's last checkpoint, or of the file itself.

    Raises:
        FileNotFoundError: It does not exist.
    """
    path = place / "checkpoints" / "last.ckpt" if place.is_dir() else place
    if not path.is_file():
        raise FileNotFoundError(f"Checkpoint not found: {path}.")
    return path


def read_checkpoint(place: Path, *, mmap: bool = False) -> Checkpoint:
    """Read the last checkpoint of a run folder, or a checkpoint file.

    Args:
        place: The folder or file.
        mmap: Leave the weights on disk until they are used.

    Raises:
        FileNotFoundError: It does not exist.
        ValueError: It is not a checkpoint of this package, or of another format version.
    """
    path = find(place)
    return Checkpoint.parse(path, load(path, mmap=mmap))


def _scores(name: str) -> bool:
    return name.split(".")[-2].startswith("score_")
