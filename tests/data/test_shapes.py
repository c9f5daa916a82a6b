from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import trees
import warm
from fcn_lightning.data import sbd, shapes, voc

CLASSES = ("background", "disk", "square", "triangle", "star", "cross", "ring")


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, count in {
        "TRAIN": 4, "VAL": 5, "SHARED": 2, "SINGLE_TRAIN": 12, "SINGLE_VAL": 6,
    }.items():  # fmt: skip
        monkeypatch.setattr(shapes, f"NUM_{name}", count)


def test_the_layouts_are_those_of_the_official_archives(tmp_path: Path) -> None:
    shapes.draw(tmp_path / "shapes")
    voc_root, sbd_root = tmp_path / "shapes" / "VOCdevkit" / "VOC2012", tmp_path / "shapes" / "sbd"
    val = (voc_root / "ImageSets" / "Segmentation" / "val.txt").read_text().split()
    train = (sbd_root / "train.txt").read_text().split()
    assert (len(val), len(train), len(set(val) & set(train))) == (5, 6, 2)
    assert {p.stem for p in (voc_root / "JPEGImages").iterdir()} == set(val)
    assert {p.stem for p in (sbd_root / "img").iterdir()} == set(train)
    with_void = voc.read_label(voc_root / "SegmentationClass" / f"{train[0]}.png")
    without = sbd.read_label(sbd_root / "cls" / f"{train[0]}.mat")
    assert 255 not in without
    assert 255 in with_void
    np.testing.assert_array_equal(with_void[with_void != 255], without[with_void != 255])


def test_validation_scenes_are_left_out_of_training(tmp_path: Path) -> None:
    splits = shapes.scenes("shapes", str(tmp_path / "shapes"), ["sbd/train"], "voc/val")
    assert splits.lists["num_left_out"] == 2
    assert {e.name for e in splits.train.examples}.isdisjoint(e.name for e in splits.val.examples)
    assert splits.labels.classes == CLASSES
    assert len({splits.train[i]["image"].shape for i in range(4)}) > 1, "sizes vary"


def test_the_first_scenes_alone_are_trained_on(tmp_path: Path) -> None:
    lists = ("shapes", str(tmp_path / "shapes"), ["sbd/train"], "voc/val")
    whole, few = shapes.scenes(*lists), shapes.scenes(*lists, num_train=2)
    assert [e.name for e in few.train.examples] == [e.name for e in whole.train.examples[:2]]
    assert (few.lists["num_train"], len(few.val)) == (2, len(whole.val))
    with pytest.raises(ValueError, match=r"^`data\.num_train` must be 1 to 4, .*; got 5\.$"):
        shapes.scenes(*lists, num_train=5)


def test_a_single_shape_is_labelled_by_its_class(tmp_path: Path) -> None:
    splits = shapes.singles("single_shapes", str(tmp_path / "shapes"))
    assert splits.labels.classes == CLASSES[1:]
    sample = splits.train[8]
    assert sample["image"].shape == (3, 72, 72)
    assert sample["label"].tolist() == [[2]], "the ninth image is the third class's"


@pytest.mark.parametrize(
    ("shape", "area"),
    [
        ("disk", np.pi),
        ("square", 2.0),
        ("triangle", 3 * np.sqrt(3) / 4),
        ("star", 10 * 0.4 * np.sin(np.pi / 5) / 2),
        ("cross", 4 * 0.5 * 0.75 + 0.25),
        ("ring", np.pi * (1 - 0.6**2)),
    ],
)
def test_shapes_have_the_area_of_their_form(shape: str, area: float) -> None:
    mask = shapes._mask(
        np.random.default_rng(0), CLASSES.index(shape), (400, 400), (200.0, 200.0), radius=150.0
    )
    assert mask.sum() / 150**2 == pytest.approx(area, rel=0.03)


def test_void_lies_where_labels_meet() -> None:
    label = np.zeros((6, 6), np.uint8)
    label[:, 3:] = 2
    assert shapes.with_void(label)[0].tolist() == [0, 0, 255, 255, 2, 2]


def test_a_set_is_the_same_wherever_it_is_drawn(tmp_path: Path) -> None:
    for name in ("a", "b"):
        shapes.draw(tmp_path / name)
    files = [p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*.*g")]
    assert len(files) == 5 * 2 + 6 + 18
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_processes_may_draw_at_once(tmp_path: Path) -> None:
    root = tmp_path / "shapes"
    drawing = [warm.child(trees.few_shapes, (root,)) for _ in range(3)]
    for process in drawing:
        process.start()
    for process in drawing:
        process.join()
    assert [process.exitcode for process in drawing] == [0, 0, 0]
    assert [path.name for path in tmp_path.iterdir()] == ["shapes"]


@pytest.mark.parametrize("version", [None, "1"])
def test_a_set_of_another_version_is_refused(tmp_path: Path, version: str | None) -> None:
    root = tmp_path / "shapes"
    shapes.draw(root)
    (root / "version").unlink()
    if version:
        (root / "version").write_text(f"{version}\n")
    with pytest.raises(ValueError, match="holds version 1 of") as error:
        shapes.scenes("shapes", str(root), ["sbd/train"], "voc/val")
    assert str(error.value) == (
        f"`{root}` holds version 1 of the embedded data set; this release draws version 2. Delete "
        "or rename the folder to have the set drawn again."
    )
