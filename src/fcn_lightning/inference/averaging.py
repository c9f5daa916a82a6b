"""Scores averaged over scaled and mirrored versions of an image."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from fcn_lightning.labels import by_name, unnamed

STEP = 20
"""Scales are multiples of 1 / STEP, so that tiles of a scaled image have whole sizes."""


@dataclass(frozen=True)
class Averaging:
    """The versions of an image whose scores are averaged: each scale, and its mirror image.

    Deviation: the papers score the image alone.

    Raises:
        ValueError: A scale is not a positive multiple of 0.05, or there is none.
    """

    scales: tuple[float, ...] = (1.0,)
    mirror: bool = False

    def __post_init__(self) -> None:
        for scale in self.scales or (0.0,):
            if scale <= 0 or abs(scale * STEP - round(scale * STEP)) > 1e-6:
                raise ValueError(
                    "Scales must be positive multiples of 0.05, such as 0.5,1,1.25; got "
                    f"{','.join(map(str, self.scales)) or 'none'}."
                )

    @property
    def fractions(self) -> list[Fraction]:
        """The scales as exact fractions."""
        return [Fraction(round(scale * STEP), STEP) for scale in self.scales]

    def scores(
        self, network: Callable[[Any], Any], images: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """The mean scores (n, classes, h, w) of a batch, by head.

        Args:
            network: Scores a batch of images.
            images: The batch of each modality, (n, c, h, w); "" for a single one.
        """
        total: dict[str, Tensor] = {}
        versions = list(self._versions())
        for scale, mirrored in versions:
            for head, score in _scores_of_version(network, images, scale, mirrored).items():
                total[head] = total[head].add_(score) if head in total else score
        count = len(versions)
        return {head: score / count for head, score in total.items()} if count > 1 else total

    def _versions(self) -> Iterator[tuple[Fraction, bool]]:
        for scale in self.fractions:
            yield scale, False
            if self.mirror:
                yield scale, True


def _scores_of_version(
    network: Callable[[Any], Any], images: Mapping[str, Tensor], scale: Fraction, mirrored: bool
) -> dict[str, Tensor]:
    """The scores of one version, turned back to the original image."""
    h, w = next(iter(images.values())).shape[2:]
    batch = {name: image.flip(3) if mirrored else image for name, image in images.items()}
    if scale != 1:
        batch = {name: _scaled(image, scale) for name, image in batch.items()}
    scores = by_name(network(unnamed(batch)))
    if scale != 1:
        size = (_padded(h, scale), _padded(w, scale))
        scores = {head: _resized(score, size)[:, :, :h, :w] for head, score in scores.items()}
    return {head: score.flip(3) if mirrored else score for head, score in scores.items()}


def _scaled(image: Tensor, scale: Fraction) -> Tensor:
    """Scale a batch by exactly `scale`, after padding it to a size that this makes whole.

    A depth (one channel) is not interpolated: between two depths there may be nothing.
    """
    h, w = image.shape[2:]
    right, below = _padded(w, scale) - w, _padded(h, scale) - h
    padded = F.pad(image.float(), (0, right, 0, below), mode="replicate")
    size = (int(padded.shape[2] * scale), int(padded.shape[3] * scale))
    if image.shape[1] == 1:
        return F.interpolate(padded, size, mode="nearest-exact")
    return _resized(padded, size)


def _padded(side: int, scale: Fraction) -> int:
    """The next length that is whole after scaling."""
    return math.ceil(side / scale.denominator) * scale.denominator


def _resized(x: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(x, size, mode="bilinear", antialias=True)
