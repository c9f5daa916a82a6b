"""Intervals for the difference of two networks, given the images that they were scored on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray


class Difference(NamedTuple):
    """Mean IU of a and of b, and the interval of a - b that resampled images give; fractions."""

    a: float
    b: float
    low: float
    high: float


def compare(
    a: Integer[ndarray, "images classes classes"],
    b: Integer[ndarray, "images classes classes"],
    classes: Sequence[int] | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> Difference:
    """The difference of mean IU between two networks on the same images.

    Images are drawn with replacement, the same for both networks, and scored again; the interval
    holds the middle 95 % of the differences.

    Args:
        a: One confusion matrix for each image.
        b: The same of the other network.
        classes: Classes to average over; None for all.
        resamples: How often images are drawn.
        seed: Of the draws.
    """
    num_images = len(a)
    weights = np.random.default_rng(seed).multinomial(
        num_images, np.full(num_images, 1 / num_images), size=resamples
    )
    once = np.ones((1, num_images), dtype=int)
    drawn = _mean_iu(a, weights, classes) - _mean_iu(b, weights, classes)
    low, high = np.quantile(drawn, (0.025, 0.975))
    mean_a, mean_b = (_mean_iu(each, once, classes)[0] for each in (a, b))
    return Difference(float(mean_a), float(mean_b), float(low), float(high))


def _mean_iu(
    confusion: Integer[ndarray, "images classes classes"],
    weights: Integer[ndarray, "samples images"],
    classes: Sequence[int] | None,
) -> Float[ndarray, " samples"]:
    """Mean IU of each weighting of the images."""
    images, num_classes, _ = confusion.shape
    total = weights.astype(float) @ confusion.reshape(images, -1).astype(float)
    total = total.reshape(-1, num_classes, num_classes)
    right, union = np.einsum("sii->si", total), total.sum(1) + total.sum(2)
    with np.errstate(invalid="ignore"):
        iu = right / (union - right)
    mean: ndarray = np.nanmean(iu if classes is None else iu[:, list(classes)], axis=1)
    return mean
