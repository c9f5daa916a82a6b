"""The scores of single classes, and what each class is mistaken for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from fcn_lightning.report.measured import Member
from fcn_lightning.report.per_image import read_per_image

MOST_MISTAKES = 3
"""The mistakes that are named in words."""


@dataclass(frozen=True)
class ClassLine:
    """A class, and for each row its IU and the standard deviation over seeds, or None."""

    name: str
    values: list[tuple[float, float | None] | None]


@dataclass(frozen=True)
class Confusion:
    """The predictions of a row's networks for the pixels of each class, over all seeds.

    Attributes:
        title: The row.
        percents: Of the pixels of a label (row), how many are predicted as a class (column), in
            whole percent; None for a label without pixels.
        mistakes: The largest ones off the diagonal: label, prediction, percent.
    """

    title: str
    percents: list[list[int] | None]
    mistakes: list[tuple[str, str, float]]


def class_lines(classes: Sequence[str], members: Sequence[Member]) -> list[ClassLine]:
    """Return the IU of each class in each row, averaged over the seeds in which it is defined."""
    found = [[each.class_iu(run.record) for run in each.row.runs] for each in members]
    return [ClassLine(name, [_over_seeds(name, seeds) for seeds in found]) for name in classes]


def confusions(classes: Sequence[str], members: Sequence[Member]) -> list[Confusion]:
    """Return the confusion of each row whose runs have kept the scores of single images."""
    found = []
    for each in members:
        files = [read_per_image(run.folder, each.head) for run in each.row.runs]
        counts = [file.confusion.sum(0, dtype=np.int64) for file in files if file]
        if counts and counts[0].shape == (len(classes), len(classes)):
            found.append(_confusion(each.row.title, classes, np.sum(counts, axis=0)))
    return found


def _over_seeds(
    name: str, seeds: Sequence[dict[str, float | None]]
) -> tuple[float, float | None] | None:
    values = [value for each in seeds if (value := each.get(name)) is not None]
    if not values:
        return None
    return fmean(values), stdev(values) if len(values) > 1 else None


def _confusion(title: str, classes: Sequence[str], counts: ndarray) -> Confusion:
    labeled = counts.sum(1, keepdims=True)
    shares: Float[ndarray, "classes classes"] = 100 * counts / np.maximum(labeled, 1)
    off = shares * ~np.eye(len(classes), dtype=bool)
    order = np.argsort(off, axis=None)[::-1][:MOST_MISTAKES]
    pairs = zip(*np.unravel_index(order, off.shape))
    return Confusion(
        title,
        [row.round().astype(int).tolist() if n else None for row, n in zip(shares, labeled[:, 0])],
        [(classes[a], classes[b], float(off[a, b])) for a, b in pairs if off[a, b] >= 0.5],
    )
