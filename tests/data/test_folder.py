"""Folders of images and labels: what is matched, and what is in which split."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fcn_lightning.data import Splits, folder
from fcn_lightning.data.pairs import files_in
from fcn_lightning.runs.data import data_config, read_data

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Writes files of 3 x 4 pixels, by the path below the folder; labels have a value."""

    def make(files: Mapping[str, int | None]) -> Path:
        for name, value in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if value is None:
                Image.new("RGB", (4, 3)).save(path)
            else:
                Image.fromarray(np.full((3, 4), value, np.uint8)).save(path)
        return tmp_path

    return make


def read(root: Path, **changes: Any) -> Splits:
    arguments = {"images": "images", "labels": "labels", "classes": ["a", "b"], **changes}
    return folder.read("mine", root=str(root), **arguments)


def ids(splits: Splits) -> tuple[list[str], list[str], list[str]]:
    test = splits.test.examples if splits.test else ()
    parts = (splits.train.examples, splits.val.examples, test)
    return tuple([example.name for example in part] for part in parts)  # type: ignore[return-value]


def every(splits: Splits) -> list[str]:
    train, val, test = ids(splits)
    return sorted([*train, *val, *test])


def plain(names: str, suffix: str = "jpg") -> dict[str, int | None]:
    images = {f"images/{name}.{suffix}": None for name in names}
    return {**images, **{f"labels/{name}.png": 1 for name in names}}


@pytest.mark.parametrize("suffix", ["jpg", "JPEG", "png", "BMP", "tif", "TIFF", "webp"])
def test_images_of_every_format_are_matched_by_stem(make: Make, suffix: str) -> None:
    splits = read(make(plain("ab", suffix)))
    assert every(splits) == ["a", "b"]
    sample = splits.train[0]
    assert sample["image"].shape == (3, 3, 4)
    assert (sample["label"] == 1).all()


def test_a_fraction_is_scored_and_other_images_do_not_move(make: Make) -> None:
    train, val, _ = ids(read(make(plain("abcdefghij")), val_fraction=0.3))
    assert (len(train), len(val)) == (7, 3)
    assert ids(read(make({}), val_fraction=0.3, split_seed=1))[1] != val
    _, more, _ = ids(read(make(plain("k")), val_fraction=0.3))
    assert len(set(val) - set(more)) <= 1


def test_splits_by_folders(make: Make) -> None:
    files: dict[str, int | None] = {}
    for place in ("train/x/1", "train/2", "validation/1", "test/1"):
        files |= {f"images/{place}.jpg": None, f"labels/{place}.png": 0}
    splits = read(make(files | {"images/other/1.jpg": None, "labels/other/1.png": 0}))
    assert ids(splits) == (["train/2", "train/x/1"], ["validation/1"], ["test/1"])
    assert splits.remarks == ("1 labeled images are in no split; the first is other/1.",)
    assert splits.with_test().val_split == "mine/test"


def test_images_and_labels_below_the_folder_of_each_split(make: Make) -> None:
    names = ("train/{}/a", "train/{}/s/b", "val/{}/a", "test/{}/c")
    files: dict[str, int | None] = {f"{name.format('x')}.jpg": None for name in names}
    root = make(files | {f"{name.format('y')}.png": 0 for name in names})
    splits = read(root, images="*/x", labels="*/y")
    assert ids(splits) == (["train/a", "train/s/b"], ["val/a"], ["test/c"])
    with pytest.raises(FileNotFoundError, match=r"`data.labels` must be a folder; \S+ is none"):
        read(root, images="*/x", labels="*/z")


def test_splits_by_lists_with_blanks_and_extensions(make: Make) -> None:
    root = make(plain("ab") | {"images/c d.png": None, "labels/c d.png": 0})
    (root / "val.txt").write_text("\ufeffc d.png\r\n", encoding="utf-8")
    assert ids(read(root, val="val.txt")) == (["a", "b"], ["c d"], [])
    (root / "test.txt").write_text("a\n")
    assert ids(read(root, val="val.txt", test="test.txt")) == (["b"], ["c d"], ["a"])
    (root / "train.txt").write_text("b\nx\n")
    with pytest.raises(ValueError, match=r"1 of 2 ids of .*train.txt have no image .* is 'x'"):
        read(root, train="train.txt", val="val.txt")


def test_suffixes_and_one_folder_for_both(make: Make) -> None:
    root = make({"images/a_rgb.png": None, "images/a_gt.png": 1, "images/b_rgb.png": None,
                 "images/b_gt.png": 0})  # fmt: skip
    splits = read(root, labels="images", image_suffix="_rgb", label_suffix="_gt")
    assert every(splits) == ["a", "b"]


def test_everything_that_is_left_out_is_told(make: Make) -> None:
    root = make(plain("abc") | {"images/a.png": None, "images/d.jpg": None, "labels/e.png": 0})
    splits = read(root)
    assert every(splits) == ["b", "c"]
    images, labels = root / "images", root / "labels"
    assert splits.remarks == (
        f"{images / 'a.jpg'} and {images / 'a.png'} have the same id, a. They are left out.",
        f"1 image without a label in {labels}, left out; the first is {images / 'd.jpg'}.",
        f"1 label without an image in {images}, left out; the first is {labels / 'e.png'}.",
    )


def test_one_image_is_trained_on_and_scored_if_that_is_allowed(make: Make) -> None:
    root = make(plain("a"))
    with pytest.raises(ValueError, match="one image with a label"):
        read(root)
    assert ids(read(root, allow_overlap=True)) == (["a"], ["a"], [])


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"images/a.txt": None}, "`data.labels` must be a folder; "),
        ({"labels/a.png": 0, "images/x/.a.jpg": None}, " has no images (bmp, jpeg, jpg, png, "),
        ({"images/a.jpg": None, "labels/a.jpg": 0}, " has no labels (bmp, png, tif, tiff); it "),
        ({"images/a.jpg": None, "labels/a_m.png": 0}, "set `data.label_suffix`."),
    ],
)  # fmt: skip
def test_a_folder_without_pairs_says_what_is_there(
    make: Make, files: dict[str, int | None], message: str
) -> None:
    root = make({name: value for name, value in files.items() if not name.endswith(".txt")})
    (root / "images").mkdir(exist_ok=True)
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        read(root)
    assert message in str(error.value)


def test_images_are_read_upright(make: Make) -> None:
    root = make(plain("ab"))
    exif = Image.Exif()
    exif[274] = 6
    for name in "ab":
        Image.new("RGB", (3, 4)).save(root / "images" / f"{name}.jpg", exif=exif)
    assert read(root).train[0]["image"].shape == (3, 3, 4)


def test_cityscapes_in_its_official_layout(make: Make) -> None:
    files: dict[str, int | None] = {}
    for split, city in (("train", "aachen"), ("val", "lindau"), ("test", "berlin")):
        stem = f"{split}/{city}/{city}_000000_000019"
        files[f"leftImg8bit/{stem}_leftImg8bit.png"] = None
        files[f"gtFine/{stem}_gtFine_labelTrainIds.png"] = 255 if split == "test" else 18
        files |= {f"gtFine/{stem}_gtFine_{kind}.png": 33 for kind in ("labelIds", "instanceIds")}
    splits = read_data(data_config("cityscapes", {}, make(files)))
    assert [len(part) for part in ids(splits)] == [1, 1, 1]
    assert len(splits.train.labels) == 19
    assert (splits.train[0]["label"] == 18).all()
    assert (splits.with_test().val[0]["label"] == 255).all()
    assert not splits.remarks


def test_ade20k_in_its_official_layout(make: Make) -> None:
    files: dict[str, int | None] = {}
    for split, value in (("training", 150), ("validation", 0)):
        stem = f"{split}/ADE_{split[:5]}_00000001"
        files |= {f"images/{stem}.jpg": None, f"annotations/{stem}.png": value}
    splits = read_data(data_config("ade20k", {}, make(files)))
    classes = splits.train.labels.classes  # type: ignore[union-attr]
    assert (len(classes), classes[0], classes[149]) == (150, "wall", "flag")
    assert (splits.train[0]["label"] == 149).all()
    assert (splits.val[0]["label"] == 255).all()


def test_links_in_circles_are_followed_once(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "x.jpg").touch()
    for link in ("a/up", "a/b/up", "a/b/again"):
        (tmp_path / link).symlink_to(tmp_path)
    found = [path.relative_to(tmp_path).as_posix() for path in files_in(tmp_path)]
    assert found == ["a/b/x.jpg"]
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "train").symlink_to(tmp_path / "a" / "b")
    found = [path.relative_to(tmp_path).as_posix() for path in files_in(tmp_path / "images")]
    assert found == ["images/train/x.jpg"]
