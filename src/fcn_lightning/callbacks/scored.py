"""The images of a scored batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from fcn_lightning.data import Sample
from fcn_lightning.labels import by_name
from fcn_lightning.task import Predictions


class Scored(NamedTuple):
    """An image: (c, h, w) by modality, and label maps and predictions, (h, w), by head."""

    name: str
    images: dict[str, Tensor]
    labels: dict[str, Tensor]
    predictions: dict[str, Tensor]


def scored(batch: Sequence[Sample], outputs: Predictions) -> list[Scored]:
    """Take a batch apart, whose images are grouped by size, in the order of the split."""
    found: dict[int, Scored] = {}
    for group, maps in zip(batch, outputs["predictions"], strict=True):
        parts = by_name(group["image"]), by_name(group["label"]), maps
        for i, (place, name) in enumerate(zip(group["place"], group["name"])):
            found[place] = Scored(name, *({key: of[i] for key, of in p.items()} for p in parts))
    return [found[place] for place in sorted(found)]
