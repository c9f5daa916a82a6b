"""The contents of images and label maps: sizes, classes, void, and files that are damaged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy import ndarray

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
    """

    labels: LabelSets
    num_images: int = 0
    damaged: list[str] = field(default_factory=list)
    out_of_range: list[str] = field(default_factory=list)
    smallest: tuple[int, int] | None = None
    largest: tuple[int, int] | None = None
    pixels: dict[str, ndarray] = field(default_factory=dict)

    def add(self, size: tuple[int, int], pixels: Mapping[str, ndarray]) -> None:
        """Add an example."""
        self.smallest = min(self.smallest or size, size, key=lambda s: (s[0] * s[1], s))
        self.largest = max(self.largest or size, size, key=lambda s: (s[0] * s[1], s))
        for head, counts in pixels.items():
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


def read_contents(dataset: SegmentationDataset) -> Iterator[Contents]:
    """Read every example, with several threads; yield the contents so far after each one."""
    contents = Contents(dataset.labels)
    pool = ThreadPoolExecutor()
    try:
        for read in pool.map(lambda example: _read(example, dataset.labels), dataset.examples):
            contents.num_images += 1
            if isinstance(read, LabelRangeError):
                contents.out_of_range.append(str(read))
            elif isinstance(read, ValueError):
                contents.damaged.append(str(read))
            else:
                contents.add(*read)
            yield contents
    finally:
        pool.shutdown(cancel_futures=True)


def _read(
    example: Example, labels: LabelSets
) -> tuple[tuple[int, int], dict[str, ndarray]] | ValueError:
    """The size of an example and the number of pixels with each label, by head."""
    try:
        images, maps = read_example(example, labels)
    except ValueError as error:
        return error
    h, w = next(iter(images.values())).shape[:2]
    return (h, w), {head: np.bincount(m.ravel(), minlength=256) for head, m in maps.items()}
