"""Classes, their names and colours, and the void label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

VOID = 255
"""The label of pixels that are neither trained on nor scored."""


def voc_palette() -> UInt8[ndarray, "256 3"]:
    """PASCAL VOC's colours: the bits of a label, spread over red, green and blue.

    Source: VOCdevkit, VOClabelcolormap.m.
    """
    label = np.arange(256)[:, None]
    channel = np.arange(3)[None, :]
    palette = np.zeros((256, 3), dtype=np.uint8)
    for bit in range(8):
        palette |= (((label >> (3 * bit + channel)) & 1) << (7 - bit)).astype(np.uint8)
    return palette


@dataclass(frozen=True)
class LabelSet:
    """The classes of a data set, in the order of their labels; all are drawn in VOC's colours."""

    name: str
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def palette(self) -> UInt8[ndarray, "256 3"]:
        """A colour for each label."""
        return voc_palette()

    def indices(self, names: list[str]) -> list[int]:
        """The labels of some classes.

        Raises:
            ValueError: A name is not a class.
        """
        unknown = [name for name in names if name not in self.classes]
        if unknown:
            raise ValueError(
                f"Classes must be some of {self.name}'s ({', '.join(self.classes)}); got "
                f"{', '.join(unknown)}."
            )
        return [self.classes.index(name) for name in names]


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
"""The 59 classes that are scored, after the background of all others, which is trained too."""

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
"""Semantic classes; cow, desert and moon are absent from the test set."""

SIFTFLOW_GEO = LabelSet("siftflow_geo", ("sky", "horizontal", "vertical"))
"""Geometric classes of the same images."""

LABEL_SETS = {labels.name: labels for labels in (VOC, PASCAL_CONTEXT, NYUD, SIFTFLOW, SIFTFLOW_GEO)}
"""By name, as configs call them."""
