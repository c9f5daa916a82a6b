"""One list-based data set for all: ids, where image and label are, how to read a label."""

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
"""`image` (3, h, w) uint8 RGB, `label` (h, w) uint8 with void 255, `name`."""


@dataclass(frozen=True)
class Example:
    """An image and its label map; or, where `label` is a number, the class of a whole image."""

    name: str
    image: Path
    label: Path | int


class SegmentationDataset(Dataset[Sample]):
    """Images with labels in their own size."""

    def __init__(
        self,
        examples: Sequence[Example],
        labels: LabelSet,
        read_label: Mapping[str, Callable[[Path], ndarray]],
    ) -> None:
        """A data set of these examples; `read_label` has a reader for each suffix of labels."""
        self.examples = tuple(examples)
        self.labels = labels
        self.read_label = read_label

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> Sample:
        """Reads one example.

        Raises:
            ValueError: The image or label is unreadable, of another size, or holds a label that is
                no class; the text names the file.
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
        except Exception as error:  # whatever a broken file makes its reader raise
            raise ValueError(f"{path} must be a label map; it cannot be read: {error}.") from error
        if label.shape != size:
            raise ValueError(
                f"{path} must have the size of its image, {_size(size)}; it has "
                f"{_size(label.shape)}."
            )
        wrong = label[(label >= len(self.labels)) & (label != VOID)]
        if wrong.size:
            raise ValueError(
                f"{path} must hold labels 0 to {len(self.labels) - 1} and void, {VOID}; it holds "
                f"{int(wrong[0])}."
            )
        return label.astype(np.uint8)


def read_image(path: Path) -> ndarray:
    """An image file as RGB, (h, w, 3) uint8; grey and CMYK images are converted.

    Raises:
        ValueError: It cannot be read, or is cut off.
    """
    try:
        with Image.open(path) as image:
            return np.array(image.convert("RGB"))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path} must be a whole image; it cannot be read: {error}.") from error


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
