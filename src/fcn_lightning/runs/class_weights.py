"""The class weights of a run: as configured, or from its training labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from fcn_lightning.data import SegmentationDataset
from fcn_lightning.data.contents import read_contents
from fcn_lightning.labels import LabelSets, by_name
from fcn_lightning.losses import balanced_weights


def class_weights(
    chosen: Literal["balanced"] | tuple[float, ...] | None, train: SegmentationDataset
) -> dict[str, Tensor]:
    """Return the weights of the classes by head, as `recipe.class_weights` chooses; {} for none.

    "balanced" reads all training images once.

    Raises:
        ValueError: There is not one weight for each class, or an image cannot be read.
    """
    if chosen is None:
        return {}
    sets = by_name(train.labels)
    if chosen == "balanced":
        *_, contents = read_contents(train)
        if broken := [*contents.damaged, *contents.out_of_range]:
            raise ValueError(broken[0])
        return {h: balanced_weights(contents.pixels[h][: len(of)]) for h, of in sets.items()}
    if len(sets) > 1 or len(chosen) != len(sets[""]):
        classes = ", ".join(f"{len(of)} of {head or of.name}" for head, of in sets.items())
        raise ValueError(
            f"`recipe.class_weights` must be one number for each class of a single head; got "
            f"{len(chosen)} numbers for {classes}. Use balanced, or null for none."
        )
    return {"": torch.tensor(chosen)}


def describe(weights: Mapping[str, Tensor], labels: LabelSets) -> str:
    """List class weights: `background 0.4, circle 2.1`."""
    return "; ".join(
        ", ".join(
            f"{name} {weight:.3g}" for name, weight in zip(of.classes, weights[head].tolist())
        )
        for head, of in by_name(labels).items()
    )
