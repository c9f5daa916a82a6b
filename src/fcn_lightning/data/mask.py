"""Masks of the foreground or background of images, by their label maps.

Source: Shelhamer et al. 2016, Table 8, "The role of foreground, background, and shape cues".
"""

from __future__ import annotations

from collections.abc import Mapping, Sized
from dataclasses import dataclass
from typing import Literal, cast, get_args

import torch
from torch import Tensor
from torch.utils.data import Dataset

from fcn_lightning.data.dataset import Sample
from fcn_lightning.labels import VOID, LabelSets, by_name, unnamed

Region = Literal["foreground", "background", "both"]

SHAPE = 0.0
"""The value of the foreground where both are masked: black, or a missing depth."""

Color = tuple[float, ...]
"""A value for each channel of an image."""


@dataclass(frozen=True)
class Mask:
    """The regions of images that are masked: none, the foreground, the background, or both.

    The background is class 0, the foreground all other classes. Masked pixels have the color that
    the network subtracts, so they are about zero after normalization. With "both", the foreground
    is black instead, so that only the shape remains.

    Our choices, since the paper does not say: the two constants of "both"; void pixels, which may
    be either, are masked with either, and belong to the background with "both".

    Attributes:
        train: The region that is masked in training images.
        test: The region that is masked in images that are scored.

    Raises:
        ValueError: A value is unknown.
    """

    train: Region | None = None
    test: Region | None = None

    def __post_init__(self) -> None:
        for name, region in (("train", self.train), ("test", self.test)):
            if region not in (None, *get_args(Region)):
                raise ValueError(
                    f"`mask.{name}` must be null, foreground, background or both; got {region!r}."
                )


class Masked(Dataset[Sample]):
    """A data set whose images are masked by the label map of the first head."""

    def __init__(
        self,
        dataset: Dataset[Sample],
        region: Region,
        colors: Mapping[str, Color],
        labels: LabelSets,
    ) -> None:
        """Mask the images of a data set.

        Args:
            dataset: The data set.
            region: The region that is masked.
            colors: The color of masked pixels, by modality.
            labels: The classes of the data set.

        Raises:
            ValueError: Class 0 of the first head is not `background`.
        """
        super().__init__()
        self.dataset, self.region, self.colors = dataset, region, dict(colors)
        check_background(labels)

    def __len__(self) -> int:
        return len(cast(Sized, self.dataset))

    def __getitem__(self, index: int) -> Sample:
        sample = self.dataset[index]
        label = next(iter(by_name(sample["label"]).values()))
        images = {
            name: masked(image, label, self.region, self.colors[name])
            for name, image in by_name(sample["image"]).items()
        }
        return {**sample, "image": unnamed(images)}


def check_background(labels: LabelSets) -> None:
    """Check that class 0 of the first head is `background`.

    Raises:
        ValueError: It is not.
    """
    first = next(iter(by_name(labels).values()))
    if first.classes[0] != "background":
        raise ValueError(
            f"`mask` needs labels whose class 0 is background; class 0 of {first.name} is "
            f"{first.classes[0]}. Set `mask.train` and `mask.test` to null."
        )


def masked(image: Tensor, label: Tensor, region: Region, color: Color) -> Tensor:
    """Mask a region of an image (c, h, w) by its label map (h, w) with a color."""
    fill = torch.tensor(color, dtype=image.dtype)[:, None, None]
    background, void = label == 0, label == VOID
    if region == "both":
        shape = torch.full_like(fill, SHAPE)
        return torch.where(background | void, fill, shape)
    return torch.where(~background if region == "foreground" else background | void, fill, image)
