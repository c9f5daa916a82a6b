"""Runs of shapes with everything that a report reads: matrices of images, losses, pictures."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fcn_lightning.labels import VOC
from fcn_lightning.runs.record import Record, Start, read_record
from fcn_lightning.visualize import save_label

Finish = Callable[..., Path]
CLASSES = ("background", "disk", "square")
NAMES = ("a", "b", "c")


def with_files(folder: Path, right: tuple[int, int, int], head: str = "") -> None:
    """Writes scores of three images of 2 x 2 pixels, one each in which `right` pixels are right.

    An image has 4 pixels of disk; the others are predicted as square.
    """
    confusion = np.zeros((3, 3, 3), np.int32)
    confusion[:, 1, 1], confusion[:, 1, 2] = right, 4 - np.array(right)
    key = f"{head}/confusion" if head else "confusion"
    path = folder / "per_image.npz"
    before = dict(np.load(path)) if path.is_file() else {}
    np.savez(path, **{**before, "names": NAMES, "average_over": [], key: confusion})
    (folder / "metrics.csv").write_text("step,train/loss\n1,2.0\n2,1.0\n3,0.5\n")
    pictures, part = folder / "pictures", f".{head}" if head else ""
    pictures.mkdir(exist_ok=True)
    for name, num_right in zip(NAMES, right):
        prediction = np.array([1] * num_right + [2] * (4 - num_right), np.uint8).reshape(2, 2)
        Image.new("RGB", (2, 2), "red").save(pictures / f"{name}.image.png")
        label = np.ones((2, 2), np.uint8)
        save_label(label, VOC.palette, pictures / f"{name}{part}.label.png")
        save_label(prediction, VOC.palette, pictures / f"{name}{part}.prediction.png")


@pytest.fixture
def filled(runs: Path, finish: Finish) -> Path:
    """Two seeds of FCN-32s and one of FCN-16s, and a limited run that does not count."""
    for seed, iu in ((0, 0.4), (1, 0.6)):
        class_iu = {"background": 0.9, "disk": iu, "square": None}
        folder = finish(f"shapes/fcn32s/seed{seed}", (0.9, 0.5, iu, 0.8), class_iu=class_iu)
        with_files(folder, (4, 2, 1))
    class_iu = {"background": 0.9, "disk": 0.75, "square": 0.5}
    folder = finish("shapes/fcn16s/seed0", (0.9, 0.5, 0.7, 0.8), class_iu=class_iu)
    with_files(folder, (4, 3, 1))
    finish("shapes/fcn8s/seed0", num_images=4)
    return runs


@pytest.fixture
def started(config_of: Callable[..., dict[str, Any]]) -> Callable[[Path], Record]:
    """Gives a run a start from the classifier of shapes, and returns its record."""

    def started(folder: Path) -> Record:
        before = config_of("shapes_classifier", "classifier", 0)
        start = Start(path="shapes_classifier/classifier/seed0", config=before)
        record = read_record(folder).model_copy(update={"start": {"": start}})
        record.write(folder)
        return record

    return started


@pytest.fixture
def two_heads(runs: Path, finish: Finish, started: Callable[[Path], Record]) -> Path:
    """A run of Table 5 on shapes, whose second head `geo` has other classes and scores."""
    class_iu = {"background": 0.9, "disk": 0.5, "square": 0.4}
    class_iu |= {"geo/x": 0.3, "geo/y": 0.2, "geo/z": 1.0}
    folder = finish("shapes_siftflow/fcn8s_at_once/seed0", class_iu=class_iu)
    record = started(folder)
    scores = record.scores | {f"geo/{name}": 0.8 for name in record.scores}
    record.model_copy(update={"scores": scores}).write(folder)
    with_files(folder, (4, 2, 1))
    with_files(folder, (1, 1, 0), head="geo")
    return runs
