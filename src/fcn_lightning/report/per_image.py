"""`per_image.npz`: the confusion matrix of every scored image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray

from fcn_lightning.runs.image_scores import NAME, read_image_scores


@dataclass(frozen=True)
class PerImage:
    """Names of images in the order of the split, and the confusion matrix of each."""

    names: list[str]
    confusion: Integer[ndarray, "images classes classes"]

    @property
    def mean_iu(self) -> Float[ndarray, " images"]:
        """The mean IU of each image, over the classes that it has or is predicted to have."""
        right = np.einsum("icc->ic", self.confusion).astype(float)
        union = self.confusion.sum(1) + self.confusion.sum(2) - right
        with np.errstate(invalid="ignore"):
            iu = np.where(union > 0, right / union, np.nan)
        mean: ndarray = np.nanmean(iu, axis=1)
        return mean


def read_per_image(folder: Path, head: str) -> PerImage | None:
    """Read a head's matrices from a run's folder; None where there are none."""
    path, key = folder / NAME, f"{head}/confusion" if head else "confusion"
    arrays = read_image_scores(path) if path.is_file() else {}
    return PerImage(arrays["names"].tolist(), arrays[key]) if key in arrays else None
