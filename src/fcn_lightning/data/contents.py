"""The contents of images and label maps: sizes, classes, void, and files that are damaged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy import ndarray

from fcn_lightning.data import suspicions
from fcn_lightning.data.dataset import (
    Example,
    LabelRangeError,
    SegmentationDataset,
    read_example,
)
from fcn_lightning.labels import VOID, LabelSets, by_name


@dataclass
class Contents:
    """The contents of a data set's examples.

    Attributes:
        labels: The classes of each head.
        num_images: The number of examples.
        damaged: A sentence for each example that cannot be read.
        out_of_range: A sentence for each example with a label that is no class.
        smallest: The size (h, w) of the image with the fewest pixels.
        largest: The size of the one with the most.
        pixels: For each head, how many pixels have each label, (256,).
        oriented: Each image that is not upright by its EXIF orientation.
        conflicts: By head, what palettes contradict, with the label maps that do.
    """

    labels: LabelSets
    num_images: int = 0
    damaged: list[str] = field(default_factory=list)
    out_of_range: list[str] = field(default_factory=list)
    smallest: tuple[int, int] | None = None
    largest: tuple[int, int] | None = None
    pixels: dict[str, ndarray] = field(default_factory=dict)
    oriented: list[suspicions.Oriented] = field(default_factory=list)
    conflicts: dict[str, list[Path]] = field(default_factory=dict)

    @property
    def broken(self) -> list[str]:
        """A sentence for each example that cannot be used."""
        return [*self.damaged, *self.out_of_range]

    @property
    def suspicious(self) -> list[str]:
        """A sentence for everything about its labels that is in range and most likely wrong."""
        found = [
            suspicions.of_counts(self.pixels[head], labels)
            for head, labels in by_name(self.labels).items()
            if head in self.pixels
        ]
        conflicts = [
            suspicions.conflict(what, paths[0], len(paths))
            for what, paths in self.conflicts.items()
        ]
        return [*filter(None, found), *conflicts]

    def add(self, read: _Read) -> None:
        """Add an example."""
        self.num_images += 1
        self.oriented += read.oriented
        for what, path in read.conflicts:
            self.conflicts.setdefault(what, []).append(path)
        if read.error is not None:
            of_range = isinstance(read.error, LabelRangeError)
            (self.out_of_range if of_range else self.damaged).append(str(read.error))
            return
        self.smallest = min(self.smallest or read.size, read.size, key=_by_area)
        self.largest = max(self.largest or read.size, read.size, key=_by_area)
        for head, counts in read.pixels.items():
            self.pixels[head] = self.pixels.get(head, 0) + counts

    def void(self, head: str) -> float:
        """The fraction of a head's pixels that are void; NaN if there are none."""
        counts = self.pixels.get(head, np.zeros(256, np.int64))
        return float(counts[VOID] / counts.sum()) if counts.sum() else float("nan")

    def frequencies(self, head: str) -> list[float]:
        """Each class's fraction of a head's valid pixels; NaN if there are none."""
        num_classes = len(by_name(self.labels)[head])
        valid = self.pixels.get(head, np.zeros(256, np.int64))[:num_classes]
        return [float(count / valid.sum()) if valid.any() else float("nan") for count in valid]


def _by_area(size: tuple[int, int]) -> tuple[int, tuple[int, int]]:
    return size[0] * size[1], size


def read_contents(dataset: SegmentationDataset) -> Iterator[Contents]:
    """Read every example, with several threads; yield the contents so far after each one."""
    contents = Contents(dataset.labels)
    pool = ThreadPoolExecutor()
    try:
        for read in pool.map(lambda example: _read(example, dataset.labels), dataset.examples):
            contents.add(read)
            yield contents
    finally:
        pool.shutdown(cancel_futures=True)


@dataclass(frozen=True)
class _Read:
    """The error of an example, or its size and pixels; and its suspicions."""

    error: ValueError | None
    size: tuple[int, int]
    pixels: Mapping[str, ndarray]
    oriented: Sequence[suspicions.Oriented]
    conflicts: Sequence[tuple[str, Path]]


def _read(example: Example, labels: LabelSets) -> _Read:
    """Read an example: its size, the number of pixels with each label by head, and its files."""
    error, size, pixels = None, (0, 0), {}
    try:
        images, maps = read_example(example, labels)
        h, w = next(iter(images.values())).shape[:2]
        size = (h, w)
        pixels = {head: np.bincount(m.ravel(), minlength=256) for head, m in maps.items()}
    except ValueError as caught:
        error = caught
    return _Read(error, size, pixels, _oriented(example), _conflicts(example, labels))


def _oriented(example: Example) -> list[suspicions.Oriented]:
    """The images that are not upright; none if a file is broken, which is reported elsewhere."""
    found: list[suspicions.Oriented] = []
    if not isinstance(example.label, int):
        label = next(iter(by_name(example.label).values()))
        with suppress(Exception):  # a broken file can raise anything in its reader
            for image in by_name(example.image).values():
                found += suspicions.oriented(image, label)
    return found


def _conflicts(example: Example, labels: LabelSets) -> list[tuple[str, Path]]:
    """Contradictions between palettes and class colors, with the paths of the label maps."""
    found: list[tuple[str, Path]] = []
    if not isinstance(example.label, int):
        sets = by_name(labels)
        for head, file in by_name(example.label).items():
            with suppress(Exception):  # a broken file can raise anything in its reader
                if what := suspicions.palette_conflict(file.path, sets[head]):
                    found.append((what, file.path))
    return found
