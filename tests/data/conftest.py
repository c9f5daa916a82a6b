"""Tiny data sets in the official layouts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image

from fcn_lightning.labels import voc_palette

SIZE = (8, 12)


def save_png(path: Path, label: np.ndarray) -> None:
    picture = Image.fromarray(label.astype(np.uint8))
    picture.putpalette(voc_palette().tobytes())
    picture.save(path)


@pytest.fixture
def make_voc() -> Callable[..., Path]:
    """Makes a VOC folder: images, labels of class 1, and lists."""

    def make(folder: Path, names: Sequence[str], **lists: Sequence[str]) -> Path:
        own = folder / "ImageSets" / "Segmentation"
        for part in (folder / "JPEGImages", folder / "SegmentationClass", own):
            part.mkdir(parents=True)
        for name in names:
            Image.new("RGB", SIZE[::-1]).save(folder / "JPEGImages" / f"{name}.jpg")
            save_png(folder / "SegmentationClass" / f"{name}.png", np.ones(SIZE))
        for split, members in lists.items():
            (own / f"{split}.txt").write_text("".join(f"{member}\n" for member in members))
        return folder

    return make


@pytest.fixture
def make_sbd() -> Callable[..., Path]:
    """Makes an SBD folder: images, labels of class 2, and lists."""

    def make(folder: Path, names: Sequence[str], **lists: Sequence[str]) -> Path:
        for part in (folder / "img", folder / "cls"):
            part.mkdir(parents=True)
        for name in names:
            Image.new("RGB", SIZE[::-1]).save(folder / "img" / f"{name}.jpg")
            content = {"GTcls": {"Segmentation": np.full(SIZE, 2, np.uint8)}}
            scipy.io.savemat(folder / "cls" / f"{name}.mat", content)
        for split, members in lists.items():
            (folder / f"{split}.txt").write_text("".join(f"{member}\n" for member in members))
        return folder

    return make
