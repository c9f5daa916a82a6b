"""Image files as arrays: every image of training, scoring and prediction is read here."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path
from typing import cast

import numpy as np
from numpy import ndarray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

NO_RANGE = {"I": "32-bit integers", "F": "32-bit floats"}
"""Modes of Pillow whose values have no defined black and white."""


def read_image(path: Path | BufferedIOBase, *, upright: bool = True) -> ndarray:
    """Read an image file as RGB, (h, w, 3) uint8.

    Any format that Pillow reads is accepted. Gray, palette and CMYK images are converted; color
    profiles are ignored. Values of 16 bits keep their upper 8 bits. An alpha channel is dropped:
    the colors stay as they are stored. Of an animation or a file of several pages, the first image
    is read.

    Args:
        path: The file, or its content as a stream.
        upright: Turn the image as its EXIF orientation says, as viewers show it. False keeps the
            stored raster (but Pillow turns TIFF files in any case).

    Raises:
        ValueError: It cannot be read, is truncated, or its values have no defined range; the
            message names the file.
    """
    with _opened(path) as image:
        if image.mode in NO_RANGE:
            raise ValueError(
                f"its values are {NO_RANGE[image.mode]} (mode {image.mode}), whose range is not "
                "defined. Convert it to 8 or 16 bits"
            )
        if upright:
            ImageOps.exif_transpose(image, in_place=True)
        if image.mode.startswith("I;16"):
            gray = (np.asarray(image) >> 8).astype(np.uint8)
            return np.repeat(gray[..., None], 3, axis=2)
        return np.array(image if image.mode == "RGB" else image.convert("RGB"))


def read_stored_image(path: Path) -> ndarray:
    """Read an image as `read_image`, but as the raster that is stored.

    The official data sets are read so: the reference does, and their labels fit the stored raster.
    """
    return read_image(path, upright=False)


def read_depth(path: Path) -> ndarray:
    """Read a gray image of 8 or 16 bits as (h, w) float32, as stored; 0 is a missing depth.

    Raises:
        ValueError: It cannot be read, is truncated, or has colors.
    """
    with _opened(path) as image:
        if not (image.mode == "L" or image.mode.startswith("I")):
            raise ValueError(f"expected a gray image of depths, got one of mode {image.mode}")
        return np.array(image, dtype=np.float32)


def limit_megapixels(limit: float) -> None:
    """Set the size above which this process refuses images as decompression bombs.

    Pillow warns above half of the size that it refuses; the warning is silenced.
    """
    Image.MAX_IMAGE_PIXELS = int(limit * 1e6 / 2)
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def read_size(path: Path) -> tuple[int, int]:
    """The size (h, w) of a stored image, from the header of its file.

    Raises:
        ValueError: It cannot be read.
    """
    with _opened(path) as image:
        return image.height, image.width


def read_orientation(path: Path) -> int:
    """The EXIF orientation of an image, 1 to 8; 1 is upright, as is an image without it.

    Raises:
        ValueError: It cannot be read.
    """
    with _opened(path) as image:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
        return value if value in range(1, 9) else 1


@contextmanager
def open_image(path: Path | BufferedIOBase) -> Iterator[Image.Image]:
    """Open an image file of any format but PostScript, which Pillow has Ghostscript run.

    Raises:
        ValueError: It is a program. A broken file raises anything, here or in the block.
    """
    with Image.open(cast(Path, path)) as image:
        if image.format == "EPS":
            raise ValueError("it is a program in PostScript, not an image. Convert it to PNG")
        yield image


@contextmanager
def _opened(path: Path | BufferedIOBase) -> Iterator[Image.Image]:
    """Open an image file; name it in the error if it cannot be opened, or read in the block."""
    size = ""
    try:
        with open_image(path) as image:
            size = f" of {image.height} x {image.width} pixels"
            yield image
    except Exception as error:  # a broken file can raise anything in its reader
        name = path if isinstance(path, Path) else getattr(path, "name", "on standard input")
        raise ValueError(f"Cannot read the image {name}: {reason(error, size)}.") from error


def reason(error: Exception, size: str = "") -> str:
    """Say why an image file cannot be read, without a period at the end."""
    if isinstance(error, Image.DecompressionBombError):
        pixels, limit = re.findall(r"\d+", str(error))[:2]
        return (
            f"it claims {int(pixels):,} pixels, more than {int(limit):,}, and may be a "
            "decompression bomb. Raise the limit with `fcn predict --max-megapixels`; for training "
            "and scoring, cut the image into smaller ones"
        )
    if isinstance(error, UnidentifiedImageError):
        return "its format is unknown, or the file is damaged"
    if isinstance(error, MemoryError):
        return f"an image{size} does not fit in memory"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).rstrip(".") or type(error).__name__
