"""Pictures inside the page, as data URIs: photographs as WebP, label maps as palette PNGs."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from fcn_lightning.data.images import open_image

LARGEST = 320
"""Pixels of a picture's longer side; larger ones are made smaller, to keep the page small."""


@dataclass(frozen=True)
class Picture:
    """A picture, its size in pixels, and for a label map the color of each label in it."""

    uri: str
    width: int
    height: int
    colors: Mapping[int, str] = field(default_factory=dict)


def photograph(path: Path) -> Picture:
    """Read an image, in color or gray."""
    with open_image(path) as file:
        image = file.convert("RGB")
    image.thumbnail((LARGEST, LARGEST))
    return _picture(image, "webp", quality=80)


def label_map(path: Path) -> Picture:
    """Read a palette PNG whose values are labels."""
    with open_image(path) as file:
        image = file.copy()
    palette = bytes(image.getpalette() or [])
    labels = np.unique(np.asarray(image)).tolist()
    colors = {label: f"#{palette[3 * label : 3 * label + 3].hex()}" for label in labels}
    image.thumbnail((LARGEST, LARGEST), Image.Resampling.NEAREST)
    return _picture(image, "png", colors, optimize=True)


def _picture(
    image: Image.Image, kind: str, colors: Mapping[int, str] = {}, **options: object
) -> Picture:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    content = base64.b64encode(buffer.getvalue()).decode()
    return Picture(f"data:image/{kind};base64,{content}", *image.size, colors)
