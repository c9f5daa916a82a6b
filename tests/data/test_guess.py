"""What is guessed of folders as people have them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fcn_lightning.data import folder
from fcn_lightning.data.guess import guess

LABEL = np.array([[0, 1, 2], [0, 0, 1]], np.uint8)
Save = Callable[[str, np.ndarray], None]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def save(name: str, pixels: np.ndarray) -> None:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)

    return save


@pytest.mark.parametrize(
    ("image", "label", "folders", "suffixes"),
    [
        ("JPEGs/{}.jpg", "Masks/{}.png", ("JPEGs", "Masks"), (None, None)),
        ("a/{}_rgb.png", "b/{}_gt.png", ("a", "b"), ("_rgb", "_gt")),
        ("all/{}.JPG", "all/{}_mask.png", ("all", "all"), (None, "_mask")),
        ("{}.jpg", "{}_mask.png", (".", "."), (None, "_mask")),
        ("x/in/train/{}.png", "x/out/train/{}.png", ("x/in", "x/out"), (None, None)),
        ("train/im/{}.jpg", "train/gt/{}.png", ("*/im", "*/gt"), (None, None)),
        ("val/im/{}_rgb.jpg", "val/x/{}_id.png", ("*/im", "*/x"), ("_rgb", "_id")),
        ("in/train/x/{}_img.png", "gt/train/x/{}_gt_ids.png", ("in", "gt"), ("_img", "_gt_ids")),
    ],
)
def test_folders_and_suffixes(
    tmp_path: Path,
    save: Save,
    image: str,
    label: str,
    folders: tuple[str, str],
    suffixes: tuple[str | None, str | None],
) -> None:
    for name in ("p1", "p2", "p10"):
        save(image.format(name), np.zeros((2, 3, 3), np.uint8))
        save(label.format(name), LABEL)
    found = guess(tmp_path)
    assert (found.config["images"], found.config["labels"]) == folders
    assert (found.config.get("image_suffix"), found.config.get("label_suffix")) == suffixes
    assert found.classes == ["background", "class1", "class2"]
    assert "The values are 0 to 2: 3 classes." in found.said
    splits = folder.read("mine", classes=found.classes, **found.config)
    assert len(splits.train) + len(splits.val) == 3
    assert set(np.unique(splits.train[0]["label"])) == {0, 1, 2}


RGB = np.array([[0, 0, 0], [9, 8, 7], [224, 224, 192]], np.uint8)


@pytest.mark.parametrize(
    ("labels", "classes", "said"),
    [
        (
            LABEL.clip(max=1) * 255,
            [{"name": "background", "values": [0]}, {"name": "foreground", "values": [255]}],
            "The values are 0 and 255: taken for background and foreground, not void.",
        ),
        (
            LABEL * 10,
            [
                {"name": "background", "values": [0]},
                {"name": "class10", "values": [10]},
                {"name": "class20", "values": [20]},
            ],
            "The values are 0, 10, 20: 3 classes, with a map in the class file.",
        ),
        (
            np.where(LABEL == 2, 255, LABEL + 1).astype(np.uint8),
            [{"name": "class1", "values": [1]}, {"name": "class2", "values": [2]}],
            "255 is taken for void.",
        ),
        (
            RGB[LABEL],
            {
                "classes": [
                    {"name": "background", "color": [0, 0, 0]},
                    {"name": "class1", "color": [9, 8, 7]},
                ],
                "void_colors": [[224, 224, 192]],
            },
            "RGB masks of 3 colors; fill in the names of the classes.",
        ),
    ],
)
def test_classes_of_values_and_colors(
    tmp_path: Path, save: Save, labels: np.ndarray, classes: object, said: str
) -> None:
    for name in "ab":
        save(f"images/{name}.jpg", np.zeros((2, 3, 3), np.uint8))
        save(f"labels/{name}.png", labels)
    found = guess(tmp_path)
    assert found.classes == classes
    assert said in found.said
    splits = folder.read("mine", classes=found.classes, **found.config)
    assert (splits.train[0]["label"] == splits.val[0]["label"]).all()


def test_lists_and_class_files_that_are_there(tmp_path: Path, save: Save) -> None:
    for name in "abc":
        save(f"images/{name}.jpg", np.zeros((2, 3, 3), np.uint8))
        save(f"labels/{name}.png", LABEL)
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "val.txt").write_text("b\n")
    (tmp_path / "classes.txt").write_text("ground\nsea\nsky\n")
    found = guess(tmp_path)
    assert found.classes == ["ground", "sea", "sky"]
    assert found.config["val"] == "lists/val.txt"
    assert f"Classes from {tmp_path / 'classes.txt'}." in found.said


def test_what_is_no_data_set_is_refused(tmp_path: Path, save: Save) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere is not a folder"):
        guess(Path("nowhere"))
    save("images/a.jpg", np.zeros((2, 3, 3), np.uint8))
    with pytest.raises(ValueError, match="No images with labels were found below"):
        guess(tmp_path)
    noise = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    save("masks/a.png", noise)
    with pytest.raises(ValueError, match="more than there can be classes"):
        guess(tmp_path)
