"""Label maps as color images: arrays in, arrays out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image


def colorize(label: UInt8[ndarray, "h w"], palette: UInt8[ndarray, "256 3"]) -> ndarray:
    """Colors a label map by a palette; return (h, w, 3) uint8."""
    colors: ndarray = palette[label]
    return colors


def overlay(
    image: UInt8[ndarray, "h w 3"],
    label: UInt8[ndarray, "h w"],
    palette: UInt8[ndarray, "256 3"],
    opacity: float = 0.6,
) -> ndarray:
    """Blends the colors of the classes into the image, except class 0, the background."""
    mixed = (1 - opacity) * image + opacity * colorize(label, palette)
    return np.where((label == 0)[..., None], image, mixed.round()).astype(np.uint8)


def side_by_side(
    image: UInt8[ndarray, "h w 3"],
    label: UInt8[ndarray, "h w"],
    prediction: UInt8[ndarray, "h w"],
    palette: UInt8[ndarray, "256 3"],
) -> ndarray:
    """Image, label, and image with prediction in one row, separated by white."""
    gap = np.full((image.shape[0], 4, 3), 255, np.uint8)
    return np.hstack(
        [image, gap, colorize(label, palette), gap, overlay(image, prediction, palette)]
    )


def save_label(label: UInt8[ndarray, "h w"], palette: UInt8[ndarray, "256 3"], path: Path) -> None:
    """Write a label map as a palette PNG; its pixel values are the labels."""
    picture = Image.fromarray(label, mode="P")
    picture.putpalette(palette.tobytes())
    picture.save(path)
