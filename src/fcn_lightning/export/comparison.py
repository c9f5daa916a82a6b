"""Comparison of an exported file with its network, on images of several sizes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from fcn_lightning.export.exported import Exported
from fcn_lightning.labels import by_name, unnamed

SIZES = ((1, 1, 1), (2, 33, 47), (1, 97, 64), (3, 20, 130), (1, 224, 31))
"""Number, height and width of the images: odd ones, and smaller ones than networks need."""

TOLERANCE = 1e-4
"""The largest difference that is taken for rounding, relative to the largest score."""

Run = Callable[[Sequence[Tensor]], Sequence[Tensor]]
"""Computes the outputs of images."""


def largest_difference(exported: Exported, run: Run) -> float:
    """Compare the outputs of a file with those of the network that it was made from.

    The difference of labels is that between the network's best score and its score of the label.

    Raises:
        ValueError: They differ by more than rounding; the message names the size of the images.
    """
    return max(_difference(exported, run, size) for size in SIZES)


@torch.inference_mode()
def _difference(exported: Exported, run: Run, size: tuple[int, int, int]) -> float:
    images = exported.draw(*size)
    scores = by_name(exported.network(unnamed(dict(zip(exported.channels, images))))).values()
    found = run(images)
    difference, largest = 0.0, max(float(score.abs().max()) for score in scores)
    for score, own in zip(scores, found, strict=True):
        difference = max(difference, _gap(score, own, labels=exported.argmax))
    if not difference <= TOLERANCE * max(largest, 1e-3):
        n, h, w = size
        raise ValueError(
            f"The exported file differs from the network by {difference:.1e} on {n} images of "
            f"{h} x {w} pixels, whose scores are up to {largest:.1e}. It was not written."
        )
    return difference


def _gap(score: Tensor, own: Tensor, *, labels: bool) -> float:
    if own.shape != (score[:, 0] if labels else score).shape:
        return float("inf")
    if labels:
        return float((score.amax(1) - score.gather(1, own[:, None].long())[:, 0]).max())
    return float((score - own).abs().max())
