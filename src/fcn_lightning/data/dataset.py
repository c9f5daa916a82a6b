"""The one data set class: a list of examples, each with the files of its images and label maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy import ndarray
from torch import Tensor
from torch.utils.data import Dataset

from fcn_lightning.data.images import reason
from fcn_lightning.labels import VOID, LabelSet, LabelSets, by_name, unnamed

Sample = dict[str, Any]
"""`image`, `label` and `name`.

`image` is (3, h, w) uint8 RGB or (1, h, w) float depth; `label` is (h, w) uint8, 255 for void. A
data set of several modalities has a dict of images; one of several heads has a dict of labels.
"""


@dataclass(frozen=True)
class File:
    """A file and the function that reads it: an image as (h, w, 3) or (h, w), a label as (h, w)."""

    path: Path
    read: Callable[[Path], ndarray]


@dataclass(frozen=True)
class Example:
    """The images of an example, by modality, and its label maps, by head; or a single one of each.

    If `label` is an int, it is the class of the whole image.
    """

    name: str
    image: File | Mapping[str, File]
    label: File | Mapping[str, File] | int


class LabelRangeError(ValueError):
    """A label map has a value that is neither a class nor void."""


def out_of_range(value: int, first: int, last: int, void: int | None = VOID) -> LabelRangeError:
    """The error for a value of a file whose classes have the labels `first` to `last`."""
    classes = f"Use {first} to {last} for the {last - first + 1} classes"
    end = "" if void is None else f", and {void} for void"
    return LabelRangeError(f"has the value {value}. {classes}{end}.")


class SegmentationDataset(Dataset[Sample]):
    """Images and label maps at their original size."""

    def __init__(self, examples: Sequence[Example], labels: LabelSets) -> None:
        """Make a data set of these examples, with the classes of each head."""
        self.examples = tuple(examples)
        self.labels = labels

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> Sample:
        """Read one example.

        Raises:
            ValueError: An image or label cannot be read, their sizes differ, or a label map has a
                value that is no class; the message names the file.
        """
        example = self.examples[index]
        pixels, maps = read_example(example, self.labels)
        images = {modality: _image_tensor(array) for modality, array in pixels.items()}
        labels = {head: torch.from_numpy(array) for head, array in maps.items()}
        return {"image": unnamed(images), "label": unnamed(labels), "name": example.name}


def read_example(
    example: Example, labels: LabelSets
) -> tuple[dict[str, ndarray], dict[str, ndarray]]:
    """Read the images of an example, by modality, and its label maps, uint8, by head.

    Raises:
        ValueError: An image or label cannot be read, their sizes differ, or a label map has a value
            that is no class; the message names the file.
    """
    files = by_name(example.image)
    images = {modality: file.read(file.path) for modality, file in files.items()}
    (first, *others), (image, *other_images) = files.values(), images.values()
    for file, other in zip(others, other_images):
        _check_size(f"image {file.path}", other.shape[:2], image.shape[:2], f"{first.path}")
    if isinstance(example.label, int):
        return images, {"": np.full((1, 1), example.label, np.uint8)}
    sets = by_name(labels)
    return images, {
        head: _read_label(file, image.shape[:2], sets[head])
        for head, file in by_name(example.label).items()
    }


def _image_tensor(pixels: ndarray) -> Tensor:
    image = torch.from_numpy(pixels)
    return image[None] if image.ndim == 2 else image.permute(2, 0, 1)


def _read_label(file: File, size: tuple[int, ...], labels: LabelSet) -> ndarray:
    try:
        label = file.read(file.path)
    except LabelRangeError as error:
        raise LabelRangeError(f"The label map {file.path} {error}") from error
    except Exception as error:  # a broken file can raise anything in its reader
        raise ValueError(f"Cannot read the label map {file.path}: {reason(error)}.") from error
    _check_size(f"label map {file.path}", label.shape, size, "its image")
    if label.size and (label.min() < 0 or label.max() >= len(labels)):
        wrong = label[((label < 0) | (label >= len(labels))) & (label != VOID)]
        if wrong.size:
            what = out_of_range(int(wrong[0]), 0, len(labels) - 1)
            raise LabelRangeError(f"The label map {file.path} {what}")
    return np.ascontiguousarray(label, np.uint8)


def _check_size(what: str, size: tuple[int, ...], expected: tuple[int, ...], other: str) -> None:
    if tuple(size) != tuple(expected):
        raise ValueError(
            f"The {what} is {_times(size)}, but {other} is {_times(expected)}. They must have the "
            "same size."
        )


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
