"""Faults in the PNG file of a label map, by the rules of VOC's test server."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from io import BytesIO

import numpy as np
from PIL import Image

from fcn_lightning.labels import VOC, VOID

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOR_TYPES = {0: "a gray", 2: "an RGB", 4: "a gray", 6: "an RGBA"}
PALETTE = 3
MOST_PIXELS = 2**24
"""VOC's images have at most 500 x 500; a header that claims more is not decoded."""


def faults_of_png(content: bytes, size: tuple[int, int] | None) -> Iterator[tuple[str, str]]:
    """Find what is wrong with a label map.

    Args:
        content: The file.
        size: The image's (h, w); None if it is not known.

    Yields:
        The kind of a fault, and a sentence without its subject.
    """
    if content[:8] != SIGNATURE or len(content) < 33:
        yield "png", "is not a PNG file"
        return
    w, h, depth, color = struct.unpack(">IIBB", content[16:26])
    if size is not None and (h, w) != size:
        yield "size", f"has {h} x {w} pixels; its image has {size[0]} x {size[1]}"
    if color != PALETTE:
        what = COLOR_TYPES.get(color, "another kind of")
        yield "color", f"is {what} image; it must be a palette image whose values are class indices"
        return
    if depth != 8:
        yield "depth", f"has a bit depth of {depth}; it must be 8"
    if h * w > MOST_PIXELS:
        yield "pixels", f"claims {h} x {w} pixels"
    else:
        yield from _faults_of_pixels(content)


def _faults_of_pixels(content: bytes) -> Iterator[tuple[str, str]]:
    try:
        with Image.open(BytesIO(content), formats=["PNG"]) as image:
            values = np.asarray(image)
            palette = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
    except Exception as error:  # a broken file can raise anything in its reader
        yield "damaged", f"is damaged: {' '.join(str(error).split()).rstrip('.')}"
        return
    wrong = (palette != VOC.palette[: len(palette)])[: len(VOC)].any(axis=1)
    if wrong.any():
        index = int(wrong.argmax())
        found, right = (tuple(map(int, each[index])) for each in (palette, VOC.palette))
        where = f"the color of {index} is {found}, not {right}"
        why = "a palette that was made for the image reorders the classes"
        yield "palette", f"has another palette than VOC: {where}; {why}"
    if (highest := int(values.max())) >= len(VOC):
        what = f"the void value {VOID}" if highest == VOID else f"the value {highest}"
        yield "value", f"has {what}; values are class indices from 0 to {len(VOC) - 1}"
