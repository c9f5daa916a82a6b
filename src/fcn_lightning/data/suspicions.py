"""Labels that are in range and yet most likely wrong, each as a sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy import ndarray

from fcn_lightning.data.dataset import File, SegmentationDataset
from fcn_lightning.data.images import open_image, read_orientation, read_size
from fcn_lightning.labels import VOID, LabelSet, by_name

T = TypeVar("T")

LOOKED_AT = 8
"""The label maps whose colors are compared before a run."""


def of_counts(pixels: ndarray, labels: LabelSet) -> str | None:
    """Say what is wrong with the labels of a split; None if nothing is.

    Args:
        pixels: The number of pixels with each label, (256,).
        labels: The classes.
    """
    valid, void = pixels[: len(labels)], pixels[VOID]
    share = f"{100 * void / max(pixels.sum(), 1):.1f} % of the pixels are void"
    if not pixels.sum():
        return None
    if not valid.any():
        return "No pixel is valid: all are void. Its scores are undefined."
    if len(labels) > 1 and np.count_nonzero(valid) == 1:
        (only,) = np.flatnonzero(valid)
        return (
            f"No class occurs but {labels.classes[only]}; {share}. If the void value is a class in "
            "the files, give it to the class by `values` in a class file (`data.classes`)."
        )
    return None


def of_classes(labels: LabelSet) -> str | None:
    """Say what is wrong with the classes; None if nothing is."""
    if len(labels) > 1:
        return None
    return (
        f"There is one class, {labels.classes[0]}, so every pixel is predicted as it. Add a class "
        "for the rest, such as background."
    )


def palette_conflict(path: Path, labels: LabelSet) -> str | None:
    """Say which indices of a palette image are drawn in the color of another class, or of void.

    None if there are none, or if the classes have no colors of their own to compare with.
    """
    if path.suffix.lower() != ".png" or (labels.values is not None and labels.colors is None):
        return None
    with open_image(path) as image:
        if image.mode != "P":
            return None
        used = np.unique(np.array(image)).tolist()
        palette = image.getpalette() or []
    names = {**dict(enumerate(labels.classes)), VOID: "void"}
    of_color = {tuple(labels.palette[label].tolist()): label for label in names}
    meant = {value: label for label, own in enumerate(_values(labels)) for value in own}
    wrong = []
    for value in used:
        drawn = of_color.get(tuple(palette[3 * value : 3 * value + 3]))
        if drawn is not None and value in meant and drawn != meant[value]:
            wrong.append(
                f"index {value} ({names[meant[value]]}) is drawn in {names[drawn]}'s color"
            )
    return "; ".join(wrong) or None


def _values(labels: LabelSet) -> list[tuple[int, ...]]:
    return list(labels.values or [(label,) for label in range(len(labels))])


@dataclass(frozen=True)
class Oriented:
    """An image with an EXIF orientation other than upright, and the sizes (h, w) of its label."""

    path: Path
    orientation: int
    stored: tuple[int, int]
    label: tuple[int, int]

    @property
    def upright(self) -> tuple[int, int]:
        """The size of the image when it is turned."""
        return self.stored[::-1] if self.orientation > 4 else self.stored

    def __str__(self) -> str:
        """Say which of the two sizes the label fits."""
        h, w = self.label
        if self.stored == self.upright == self.label:
            fits = f"fits both the stored and the upright image, {h} x {w}: compare them by eye"
        elif self.label == self.stored:
            fits = f"fits the stored image, {h} x {w}, not the upright one"
        elif self.label == self.upright:
            fits = f"fits the upright image, {h} x {w}, not the stored one"
        else:
            fits = f"is {h} x {w} and fits neither the stored nor the upright image"
        return f"{self.path} has EXIF orientation {self.orientation}; its label {fits}."


def oriented(image: File, label: File) -> list[Oriented]:
    """The image, if its EXIF orientation is not upright.

    Raises:
        ValueError: A file cannot be read.
    """
    orientation = read_orientation(image.path)
    if orientation == 1:
        return []
    h, w = label.read(label.path).shape
    return [Oriented(image.path, orientation, read_size(image.path), (h, w))]


def before_a_run(train: SegmentationDataset, val: SegmentationDataset) -> Iterator[str]:
    """Yield what is suspicious in the labels of a run.

    Reads few label maps of a sound data set: of each split until two classes have occurred, and of
    the training images at least eight. A broken label map is left to training, which names it.
    """
    for head, labels in by_name(train.labels).items():
        if sentence := of_classes(labels):
            yield sentence
        for title, dataset in (("Training", train), ("Validation", val)):
            if sentence := of_counts(_first_pixels(dataset, head, labels), labels):
                yield f"{title} labels: {sentence}"
        conflicts: dict[str, Path] = {}
        for file in islice(_files(train, head), LOOKED_AT):
            if found := _quietly(partial(palette_conflict, labels=labels), file.path):
                conflicts.setdefault(found, file.path)
        for found, path in conflicts.items():
            yield conflict(found, path)


def conflict(found: str, path: Path, count: int = 1) -> str:
    """Make a sentence of a conflict of palettes, and the first of the files that have it."""
    files = f"{path}" if count == 1 else f"{count} label maps, the first is {path}"
    return f"In {files}: {found}. Labels are read by index; save the files with the right indices."


def _first_pixels(dataset: SegmentationDataset, head: str, labels: LabelSet) -> ndarray:
    """The number of pixels with each label, over label maps until two classes have occurred."""
    pixels = np.zeros(256, np.int64)
    for file in _files(dataset, head):
        label = _quietly(file.read, file.path)
        if label is not None and label.min() >= 0 and label.max() <= VOID:
            pixels += np.bincount(label.ravel(), minlength=256)
        if np.count_nonzero(pixels[: len(labels)]) > 1:
            break
    return pixels


def _quietly(read: Callable[[Path], T], path: Path) -> T | None:
    """The result of a reader; None if the file is broken."""
    try:
        return read(path)
    except Exception:  # a broken file can raise anything in its reader
        return None


def _files(dataset: SegmentationDataset, head: str) -> Iterator[File]:
    for example in dataset.examples:
        if isinstance(example.label, File | Mapping):
            yield by_name(example.label)[head]
