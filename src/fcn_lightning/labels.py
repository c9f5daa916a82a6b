"""Class names and colors of each data set, and the void label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

T = TypeVar("T")

VOID = 255
"""The label of pixels that are left out of loss and scores."""


def voc_palette() -> UInt8[ndarray, "256 3"]:
    """The colors of PASCAL VOC: the bits of a label, spread over red, green and blue.

    Source: VOCdevkit, VOClabelcolormap.m.
    """
    label = np.arange(256)[:, None]
    channel = np.arange(3)[None, :]
    palette = np.zeros((256, 3), dtype=np.uint8)
    for bit in range(8):
        palette |= (((label >> (3 * bit + channel)) & 1) << (7 - bit)).astype(np.uint8)
    return palette


Color = tuple[int, int, int]
"""Red, green and blue, from 0 to 255."""


@dataclass(frozen=True)
class LabelSet:
    """The classes of a data set in the order of their labels.

    Attributes:
        name: The name of the set in messages.
        classes: The names of the classes.
        colors: The color of each class; None for the colors of VOC.
        values: The values of each class in label files; None for the label itself.
    """

    name: str
    classes: tuple[str, ...]
    colors: tuple[Color, ...] | None = None
    values: tuple[tuple[int, ...], ...] | None = None

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def palette(self) -> UInt8[ndarray, "256 3"]:
        """The color of each label; void and labels without a class have VOC's."""
        palette = voc_palette()
        if self.colors:
            palette[: len(self)] = self.colors
        return palette

    def indices(self, names: list[str]) -> list[int]:
        """The labels of the classes with these names.

        Raises:
            ValueError: A name is not a class.
        """
        unknown = [name for name in names if name not in self.classes]
        if unknown:
            raise ValueError(
                f"Unknown classes of {self.name}: {', '.join(unknown)}. Its classes are "
                f"{', '.join(self.classes)}."
            )
        return [self.classes.index(name) for name in names]


LabelSets = LabelSet | Mapping[str, LabelSet]
"""The classes of a data set; one set for each head where it has several."""


def by_name(value: T | Mapping[str, T]) -> dict[str, T]:
    """One value for each modality or head; a single value has the name ""."""
    return dict(value) if isinstance(value, Mapping) else {"": value}


def unnamed(values: Mapping[str, T]) -> T | dict[str, T]:
    """The inverse of `by_name`."""
    return values[""] if "" in values else dict(values)


def num_classes(labels: LabelSets) -> int | dict[str, int]:
    """The number of classes, of each head if there are several."""
    return unnamed({head: len(classes) for head, classes in by_name(labels).items()})


VOC = LabelSet(
    "voc",
    (
        "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat",
        "chair", "cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant",
        "sheep", "sofa", "train", "tvmonitor",
    ),
)  # fmt: skip

PASCAL_CONTEXT = LabelSet(
    "pascal_context",
    (
        "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat",
        "chair", "cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant",
        "sheep", "sofa", "train", "tvmonitor", "bag", "bed", "bench", "book", "building",
        "cabinet", "ceiling", "clothes", "computer", "cup", "door", "fence", "floor", "flower",
        "food", "grass", "ground", "keyboard", "light", "mountain", "mouse", "curtain",
        "platform", "sign", "plate", "road", "rock", "shelves", "sidewalk", "sky", "snow",
        "bedcloth", "track", "tree", "truck", "wall", "water", "window", "wood",
    ),
)  # fmt: skip
"""The 59 classes and, before them, a background of all others, which is trained and scored."""

NYUD = LabelSet(
    "nyud",
    (
        "wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window",
        "bookshelf", "picture", "counter", "blinds", "desk", "shelves", "curtain", "dresser",
        "pillow", "mirror", "floor mat", "clothes", "ceiling", "books", "refridgerator",
        "television", "paper", "towel", "shower curtain", "box", "whiteboard", "person",
        "night stand", "toilet", "sink", "lamp", "bathtub", "bag", "otherstructure",
        "otherfurniture", "otherprop",
    ),
)  # fmt: skip

SIFTFLOW = LabelSet(
    "siftflow",
    (
        "awning", "balcony", "bird", "boat", "bridge", "building", "bus", "car", "cow",
        "crosswalk", "desert", "door", "fence", "field", "grass", "moon", "mountain", "person",
        "plant", "pole", "river", "road", "rock", "sand", "sea", "sidewalk", "sign", "sky",
        "staircase", "streetlight", "sun", "tree", "window",
    ),
)  # fmt: skip
"""Semantic classes; cow, desert and moon do not occur in the test set."""

SIFTFLOW_GEO = LabelSet("siftflow_geo", ("sky", "horizontal", "vertical"))
"""Geometric classes of the same images."""
