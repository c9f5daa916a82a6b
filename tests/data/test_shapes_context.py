from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.io

from fcn_lightning.data import Splits, shapes_context

LABELS = ("cross", "ring", "star", "triangle")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(shapes_context, "COUNTS", {"train": 4, "val": 12})
    return tmp_path / "shapes_context"


def read(root: Path, classes: str | None = None) -> Splits:
    lists = ["pascal_context/train"], "pascal_context/val"
    return shapes_context.read("shapes_context", str(root), *lists, classes)


def test_the_layout_is_that_of_the_official_archives(root: Path) -> None:
    read(root)
    voc, context = root / "VOCdevkit" / "VOC2010", root / "context"
    train, val = (
        (voc / "ImageSets" / "Main" / f"{s}.txt").read_text().split() for s in ("train", "val")
    )
    assert (len(train), len(val), len({*train, *val})) == (4, 12, 16)
    assert {p.stem for p in (voc / "JPEGImages").glob("*.jpg")} == {*train, *val}
    assert {p.stem for p in (context / "trainval").glob("*.mat")} == {*train, *val}
    assert (context / "labels.txt").read_text().splitlines() == [
        "1: canvas", "2: cross", "3: disk", "4: ring", "5: square", "6: star", "7: triangle",
    ]  # fmt: skip
    assert (context / "59_labels.txt").read_text().splitlines() == [
        "1: cross", "2: ring", "3: star", "4: triangle",
    ]  # fmt: skip


def test_the_canvas_disks_and_squares_are_background_and_nothing_is_void(root: Path) -> None:
    splits = read(root)
    assert splits.labels.classes == ("background", *LABELS)
    to_class = np.array([-1, 0, 1, 0, 2, 0, 3, 4])
    seen: set[int] = set()
    for sample in splits.val:
        path = root / "context" / "trainval" / f"{sample['name']}.mat"
        annotated = scipy.io.loadmat(path)["LabelMap"].astype(int)
        seen |= set(np.unique(annotated))
        assert np.array_equal(sample["label"], to_class[annotated])
    assert seen == set(range(1, 8)), "each label of the annotation occurs"


def test_other_classes_of_the_annotation_can_be_trained(root: Path, tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("1: disk\n2: canvas\n")
    splits = read(root, str(tmp_path / "classes.txt"))
    assert splits.labels.classes == ("background", "disk", "canvas")
    labels = np.concatenate([sample["label"].ravel() for sample in splits.val])
    assert np.bincount(labels).argmax() == 2, "most pixels are canvas"


def test_the_same_seed_draws_the_same_set(root: Path, tmp_path: Path) -> None:
    for a, b in zip(read(root).train, read(tmp_path / "again").train, strict=True):
        assert np.array_equal(a["image"], b["image"])
        assert np.array_equal(a["label"], b["label"])
