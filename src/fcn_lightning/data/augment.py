"""The settings of augmentation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Augment:
    """Random changes of a training image, applied in this order; none by default.

    Attributes:
        mirror: Flip left and right with probability 0.5.
        jitter: Largest shift in each direction, in pixels (the paper tried 32).
        scale: Smallest and largest factor by which the image is scaled; None for no scaling.
        crop: Side of a square that is cut out; None for the whole image.

    Raises:
        ValueError: A value is out of range.

    Source: Long et al. 2015, 4.3, "Augmentation": mirroring and jittering "yielded no noticeable
    improvement".
    """

    mirror: bool = False
    jitter: int = 0
    scale: Sequence[float] | None = None
    crop: int | None = None

    def __post_init__(self) -> None:
        if self.jitter < 0 or (self.crop is not None and self.crop < 1):
            raise ValueError(
                "`augment.jitter` must be 0 or more and `augment.crop` 1 or more; got "
                f"{self.jitter} and {self.crop}."
            )
        scale = self.scale or (1.0, 1.0)
        if len(scale) != 2 or not 0 < scale[0] <= scale[1]:
            raise ValueError(
                "`augment.scale` must be two positive factors, the smaller one first; got "
                f"{self.scale}."
            )
