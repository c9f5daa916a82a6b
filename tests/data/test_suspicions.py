"""Labels that are in range and most likely wrong."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fcn_lightning.data.dataset import Example, File, SegmentationDataset
from fcn_lightning.data.images import read_image, read_stored_image
from fcn_lightning.data.suspicions import (
    before_a_run,
    of_classes,
    of_counts,
    oriented,
    palette_conflict,
)
from fcn_lightning.data.voc import read_label
from fcn_lightning.labels import VOC, LabelSet

TWO = LabelSet("two", ("ground", "sky"))


def counts(**pixels: int) -> np.ndarray:
    found = np.zeros(256, np.int64)
    for label, count in pixels.items():
        found[int(label[1:])] = count
    return found


@pytest.mark.parametrize(
    ("pixels", "start"),
    [
        (counts(_0=3, _1=1), None),
        (counts(), None),
        (counts(_255=4), "No pixel is valid: all are void."),
        (counts(_0=3, _255=1), "No class occurs but ground; 25.0 % of the pixels are void."),
        (counts(_1=1), "No class occurs but sky; 0.0 % of the pixels are void."),
    ],
)
def test_classes_that_do_not_occur(pixels: np.ndarray, start: str | None) -> None:
    sentence = of_counts(pixels, TWO)
    assert sentence is None if start is None else str(sentence).startswith(start)


def test_a_single_class() -> None:
    assert of_classes(TWO) is None
    assert str(of_classes(LabelSet("one", ("sky",)))).startswith("There is one class, sky, so ")


def save(path: Path, label: np.ndarray, colors: list[int]) -> Path:
    picture = Image.fromarray(label.astype(np.uint8), mode="P")
    picture.putpalette(colors)
    picture.save(path)
    return path


def test_indices_in_the_color_of_another_class(tmp_path: Path) -> None:
    right = [*VOC.palette.ravel().tolist()]
    label = np.array([[0, 8, 12, 255]])
    assert palette_conflict(save(tmp_path / "a.png", label, right), VOC) is None
    dog, void = [64, 0, 128], [224, 224, 192]
    swapped = save(tmp_path / "b.png", np.array([[0, 1]]), [*void, *dog, 9, 9, 9])
    assert palette_conflict(swapped, VOC) == (
        "index 0 (background) is drawn in void's color; index 1 (aeroplane) is drawn in dog's color"
    )
    assert palette_conflict(save(tmp_path / "c.png", np.array([[0, 1]]), [*dog]), TWO) is None


def test_of_a_sound_data_set_few_labels_are_read(tmp_path: Path) -> None:
    label, colors = np.array([[0, 1, 255]]), [0, 0, 0, 128, 0, 0]
    paths = [save(tmp_path / f"{i}.png", label, colors) for i in range(12)]
    read: list[Path] = []

    def reader(path: Path) -> np.ndarray:
        read.append(path)
        return read_label(path)

    examples = [Example(p.stem, File(p, read_image), File(p, reader)) for p in paths]
    dataset = SegmentationDataset(examples, TWO)
    assert list(before_a_run(dataset, dataset)) == []
    assert read == [paths[0], paths[0]]


@pytest.mark.parametrize(
    ("orientation", "size", "fits"),
    [
        (1, (3, 5), None),
        (3, (3, 5), "fits both the stored and the upright image, 3 x 5: compare them by eye."),
        (6, (3, 5), "fits the stored image, 3 x 5, not the upright one."),
        (8, (5, 3), "fits the upright image, 5 x 3, not the stored one."),
        (8, (5, 4), "is 5 x 4 and fits neither the stored nor the upright image."),
    ],
)
def test_the_size_that_a_label_fits(
    tmp_path: Path, orientation: int, size: tuple[int, int], fits: str | None
) -> None:
    exif, image, label = Image.Exif(), tmp_path / "a.jpg", tmp_path / "a.png"
    exif[274] = orientation
    Image.new("RGB", (5, 3)).save(image, exif=exif)
    Image.new("L", size[::-1]).save(label)
    found = oriented(File(image, read_stored_image), File(label, partial(read_label)))
    expected = (
        [] if fits is None else [f"{image} has EXIF orientation {orientation}; its label {fits}"]
    )
    assert list(map(str, found)) == expected
