"""The one data set class: a list of examples, and a function that reads their labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy import ndarray
from PIL import Image
from torch.utils.data import Dataset

from fcn_lightning.labels import VOID, LabelSet

Sample = dict[str, Any]
"""`image` (3, h, w) uint8 RGB; `label` (h, w) uint8, 255 for void; `name`."""


@dataclass(frozen=True)
class Example:
    """An image and its label map; if `label` is an int, it is the class of the whole image."""

    name: str
    image: Path
    label: Path | int


class SegmentationDataset(Dataset[Sample]):
    """Images and label maps at their original size."""

    def __init__(
        self,
        examples: Sequence[Example],
        labels: LabelSet,
        read_label: Mapping[str, Callable[[Path], ndarray]],
    ) -> None:
        """Make a data set of these examples.

        Args:
            examples: Images and their labels.
            labels: The classes.
            read_label: For each file suffix of the labels, the function that reads such a file.
        """
        self.examples = tuple(examples)
        self.labels = labels
        self.read_label = read_label

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> Sample:
        """Read one example.

        Raises:
            ValueError: The image or label cannot be read, their sizes differ, or the label map has
                a value that is no class; the message names the file.
        """
        example = self.examples[index]
        image = read_image(example.image)
        if isinstance(example.label, int):
            label = np.full((1, 1), example.label, np.uint8)
        else:
            label = self._label(example.label, image.shape[:2])
        return {
            "image": torch.from_numpy(image).permute(2, 0, 1).contiguous(),
            "label": torch.from_numpy(label),
            "name": example.name,
        }

    def _label(self, path: Path, size: tuple[int, ...]) -> ndarray:
        try:
            label = self.read_label[path.suffix](path)
        except Exception as error:  # a broken file can raise anything in its reader
            raise ValueError(f"Cannot read the label map {path}: {error}.") from error
        if label.shape != size:
            raise ValueError(
                f"The label map {path} is {_size(label.shape)}, but its image is {_size(size)}. "
                "They must have the same size."
            )
        wrong = label[(label >= len(self.labels)) & (label != VOID)]
        if wrong.size:
            raise ValueError(
                f"The label map {path} has the value {int(wrong[0])}. Use 0 to "
                f"{len(self.labels) - 1} for the {len(self.labels)} classes, and {VOID} for void."
            )
        return label.astype(np.uint8)


def read_image(path: Path) -> ndarray:
    """Read an image file as RGB, (h, w, 3) uint8; gray and CMYK images are converted.

    Raises:
        ValueError: It cannot be read, or is truncated.
    """
    try:
        with Image.open(path) as image:
            return np.array(image.convert("RGB"))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"Cannot read the image {path}: {error}.") from error


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
