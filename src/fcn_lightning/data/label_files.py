"""Label files: indices, grey values or colors, turned into the labels of a class file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy import ndarray
from PIL import Image, ImageOps

from fcn_lightning.data.classes import Classes
from fcn_lightning.data.dataset import LabelRangeError
from fcn_lightning.data.images import open_image
from fcn_lightning.labels import VOID, Color

SUFFIXES = frozenset((".png", ".bmp", ".tif", ".tiff"))
"""Label files, in lower case; JPEG changes values."""


@dataclass(frozen=True)
class LabelReader:
    """Reads a label file as (h, w) uint8, 255 for void, upright as its EXIF orientation says.

    The values of palette and grey images are looked up in the map of the class file; RGB images
    in its colors. RGB images of a class file without colors must be gray.

    Attributes:
        classes: The classes.
        void: The values that are void, unless the class file gives them to a class.
    """

    classes: Classes
    void: tuple[int, ...] = (VOID,)

    def __call__(self, path: Path) -> ndarray:
        """Read a file.

        Raises:
            LabelRangeError: It has a value or color that is neither a class nor void.
            ValueError: It cannot be read, is a JPEG, or has colors but the class file has none.
        """
        pixels = read_pixels(path)
        if pixels.ndim == 3 and self.classes.colors:
            return self._of_colors(pixels)
        return self._of_values(_gray(pixels) if pixels.ndim == 3 else pixels)

    def _of_values(self, values: ndarray) -> ndarray:
        table = self._table
        outside = (values < 0) | (values >= len(table))
        found = table[np.where(outside, 0, values)] if outside.any() else table[values]
        wrong = outside | (found < 0)
        if wrong.any():
            raise LabelRangeError(f"has the value {values[wrong][0]}. {self._use}")
        return found.astype(np.uint8)

    @cached_property
    def _table(self) -> ndarray:
        """The label of each value; -1 for a value without a label."""
        labels = dict.fromkeys(self.void, VOID)
        for label, values in enumerate(self.classes.values_in_files(self.void)):
            labels |= dict.fromkeys(values, label)
        table = np.full(max(labels) + 1, -1, np.int16)
        table[list(labels)] = list(labels.values())
        return table

    @property
    def _use(self) -> str:
        values = [v for own in self.classes.values_in_files(self.void) for v in own]
        void = [v for v in self.void if v not in values]
        use = f"Use {in_words(values)} for the {len(self.classes.names)} classes"
        return f"{use}, and {in_words(void)} for void." if void else f"{use}."

    def _of_colors(self, pixels: ndarray) -> ndarray:
        assert self.classes.colors is not None
        labels = dict.fromkeys(self.classes.void_colors, VOID)
        labels |= {color: label for label, color in enumerate(self.classes.colors)}
        codes, code = np.array(sorted(map(_code, labels))), _codes(pixels)
        place = np.minimum(np.searchsorted(codes, code), len(codes) - 1)
        wrong = codes[place] != code
        if wrong.any():
            color = tuple(int(channel) for channel in pixels[wrong][0])
            raise LabelRangeError(
                f"has the color {color}, which {self.classes.source} does not name. Add it there "
                "to a class or to `void_colors`."
            )
        by_code = {_code(color): label for color, label in labels.items()}
        return np.array([by_code[int(each)] for each in codes], np.uint8)[place]


def in_words(values: Sequence[int]) -> str:
    """List values, runs of them as `0 to 18`."""
    runs: list[list[int]] = []
    for value in sorted(values):
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    parts = [f"{r[0]} to {r[-1]}" if len(r) > 2 else ", ".join(map(str, r)) for r in runs]
    return ", ".join(parts)


def read_pixels(path: Path) -> ndarray:
    """Read the values of a label file, (h, w), or its colors, (h, w, 3) uint8.

    Raises:
        ValueError: It cannot be read, is a JPEG, or has neither values nor colors.
    """
    with open_image(path) as image:
        if image.format == "JPEG":
            raise ValueError("JPEG compression changes labels. Save it as PNG")
        return _pixels(ImageOps.exif_transpose(image))


def _pixels(image: Image.Image) -> ndarray:
    """The values of an image, (h, w), or its colors, (h, w, 3).

    Raises:
        ValueError: Its mode has neither.
    """
    if image.mode in ("RGB", "RGBA"):
        return np.array(image.convert("RGB"))
    if image.mode == "1":
        return np.array(image).astype(np.uint8)
    if image.mode in ("L", "P", "I") or image.mode.startswith("I;16"):
        return np.array(image)
    if image.mode in ("LA", "PA"):
        return np.array(image)[..., 0]
    raise ValueError(f"expected indices, grey values or colors, got an image of mode {image.mode}")


def _gray(pixels: ndarray) -> ndarray:
    if (pixels != pixels[..., :1]).any():
        raise ValueError(
            "it is an RGB mask, but the class file has no colors. Add one to each class"
        )
    return pixels[..., 0]


def _codes(pixels: ndarray) -> ndarray:
    red, green, blue = np.moveaxis(pixels.astype(np.int64), -1, 0)
    return (red << 16) | (green << 8) | blue


def _code(color: Color) -> int:
    red, green, blue = color
    return (red << 16) | (green << 8) | blue
