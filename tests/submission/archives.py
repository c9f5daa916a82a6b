"""Archives of label maps, as a network's or as other people's programs make them."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

FOLDER = "results/VOC2012/Segmentation/comp6_test_cls"

# The first colors of VOClabelcolormap.m, and that of 255, typed in.
COLORS = [
    (0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128), (128, 0, 128), (0, 128, 128),
    (128, 128, 128), (64, 0, 0), (192, 0, 0), (64, 128, 0), (192, 128, 0), (64, 0, 128),
    (192, 0, 128), (64, 128, 128), (192, 128, 128), (0, 64, 0), (128, 64, 0), (0, 192, 0),
    (128, 192, 0), (0, 64, 128),
]  # fmt: skip
PALETTE = COLORS + [(224, 224, 192)] * (256 - len(COLORS))


def png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def label(
    h: int = 5, w: int = 7, value: int = 20, palette: list[tuple[int, int, int]] = PALETTE
) -> bytes:
    """A palette PNG with 0 and one more value."""
    pixels = np.zeros((h, w), np.uint8)
    pixels[-1] = value
    picture = Image.fromarray(pixels)
    picture.putpalette([channel for color in palette for channel in color])
    return png(picture)


def tgz(path: Path, files: Mapping[str, bytes | None], mode: str = "w:gz") -> Path:
    """Write a tar archive; a file without content is a link."""
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            if content is None:
                member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            else:
                member.size = len(content)
            archive.addfile(member, io.BytesIO(content or b""))
    return path


def zipped(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def tree(root: Path, sizes: Mapping[str, tuple[int, int]], seed: int = 0) -> Path:
    """Draw VOC's test images: `VOCdevkit/VOC2012` without labels."""
    top, rng = root / "VOCdevkit" / "VOC2012", np.random.default_rng(seed)
    for folder in (top / "JPEGImages", top / "ImageSets" / "Segmentation"):
        folder.mkdir(parents=True)
    for name, (h, w) in sizes.items():
        pixels = rng.integers(256, size=(h, w, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(top / "JPEGImages" / f"{name}.jpg")
    text = "".join(f"{name}\n" for name in sizes)
    (top / "ImageSets" / "Segmentation" / "test.txt").write_text(text)
    return root
