"""Two runs that were scored on the same images: mean IU, classes, and single images."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from fcn_lightning.metrics import Scores, scores
from fcn_lightning.runs.image_scores import NAME, read_image_scores
from fcn_lightning.runs.intervals import Difference, compare


class Pair(NamedTuple):
    """The IU of a class or an image in run a and in run b, as fractions; NaN where undefined."""

    name: str
    a: float
    b: float


def compare_runs(a: Path, b: Path) -> dict[str, Difference]:
    """Compare the mean IU of two finished runs, over all classes and over those named.

    Other heads than the first are compared where both runs have them.

    Raises:
        ValueError: A run has no scores of single images, or they are of different images.
    """
    first, second = _same_images(a, b)
    named = {"mean_iu": None, "mean_iu_subset": first["average_over"].tolist()}
    differences = {
        name: compare(first["confusion"], second["confusion"], classes)
        for name, classes in named.items()
        if classes is None or classes
    }
    other_heads = [key for key in first if key.endswith("/confusion") and key in second]
    return differences | {
        f"{key.partition('/')[0]}/mean_iu": compare(first[key], second[key]) for key in other_heads
    }


def compare_classes(a: Path, b: Path) -> list[Pair]:
    """Compare the IU of each class of the first head; the classes are numbered.

    Raises:
        ValueError: As for `compare_runs`.
    """
    of_a, of_b = (_scores(run["confusion"].sum(0)).class_iu.tolist() for run in _same_images(a, b))
    return [Pair(str(i), *each) for i, each in enumerate(zip(of_a, of_b))]


def compare_images(a: Path, b: Path) -> list[Pair]:
    """Compare the mean IU of each image, first head, those that differ most first.

    Raises:
        ValueError: As for `compare_runs`.
    """
    first, second = _same_images(a, b)
    of_a, of_b = ([_scores(m).mean_iu for m in run["confusion"]] for run in (first, second))
    pairs = [Pair(*each) for each in zip(first["names"].tolist(), of_a, of_b)]
    return sorted(pairs, key=lambda pair: -abs(np.nan_to_num(pair.a - pair.b)))


def _same_images(a: Path, b: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read the scores of single images of two runs."""
    files = [folder / NAME for folder in (a, b)]
    for file in files:
        if not file.is_file():
            raise ValueError(f"{file.parent} is not a finished run: it has no {file.name}.")
    first, second = map(read_image_scores, files)
    if first["names"].tolist() != second["names"].tolist():
        raise ValueError(f"{a} and {b} were scored on different images. Compare runs of one split.")
    return first, second


def _scores(confusion: Any) -> Scores:
    return scores(torch.from_numpy(confusion))
