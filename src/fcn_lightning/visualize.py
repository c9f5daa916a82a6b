"""Label maps as color images: arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
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
    """Blends the colors of the classes into the image, except black, as of the background."""
    colors = colorize(label, palette)
    mixed = (1 - opacity) * image + opacity * colors
    return np.where(colors.any(-1, keepdims=True), mixed.round(), image).astype(np.uint8)


def in_a_row(pictures: Sequence[UInt8[ndarray, "h _ 3"]]) -> ndarray:
    """Pictures of one height in one row, separated by white."""
    gap = np.full((len(pictures[0]), 4, 3), 255, np.uint8)
    first, *others = pictures
    return np.hstack([first, *(part for picture in others for part in (gap, picture))])


def gray(values: Float[ndarray, "h w"]) -> ndarray:
    """A map of values as (h, w, 3) uint8, the smallest black and the largest white."""
    low, high = values.min(), values.max()
    scaled = (values - low) * (255 / max(high - low, 1e-6))
    return np.repeat(scaled.round().astype(np.uint8)[..., None], 3, axis=2)


def save_label(label: UInt8[ndarray, "h w"], palette: UInt8[ndarray, "256 3"], path: Path) -> None:
    """Write a label map as a palette PNG; its pixel values are the labels."""
    picture = Image.fromarray(label, mode="P")
    picture.putpalette(palette.tobytes())
    picture.save(path)
