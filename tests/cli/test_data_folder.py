"""`fcn data check` and `fcn data init` on folders of one's own, and on labels that are wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from fcn_lightning.cli.fcn import app
from fcn_lightning.labels import VOC

LABEL = np.zeros((6, 8), np.uint8)
LABEL[2:, 3:] = 1


def fcn(*arguments: str) -> Result:
    done = CliRunner().invoke(app, ["data", *arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done


@pytest.fixture
def voc(tmp_path: Path) -> Callable[..., list[str]]:
    """Writes a VOC folder of one training and one validation image; returns the options for it."""

    def write(train: Image.Image, val: Image.Image, exif: int = 1) -> list[str]:
        top, tags = tmp_path / "VOC2012", Image.Exif()
        tags[274] = exif
        lists = top / "ImageSets" / "Segmentation"
        for folder in (top / "JPEGImages", top / "SegmentationClass", lists):
            folder.mkdir(parents=True)
        for name, label in (("train", train), ("val", val)):
            Image.new("RGB", label.size).save(top / "JPEGImages" / f"{name}.jpg", exif=tags)
            label.save(top / "SegmentationClass" / f"{name}.png")
            (lists / f"{name}.txt").write_text(f"{name}\n")
        return ["voc_trees", "data.train=[voc/train]", "--data-root", str(tmp_path)]

    return write


def palette(label: np.ndarray, colors: np.ndarray = VOC.palette) -> Image.Image:
    picture = Image.fromarray(label, mode="P")
    picture.putpalette(colors.tobytes())
    return picture


def test_binary_labels_whose_foreground_is_void(voc: Callable[..., list[str]]) -> None:
    done = fcn("check", *voc(Image.fromarray(LABEL * 255), Image.fromarray(LABEL * 255)))
    assert done.exit_code == 1
    # 20 of 48 pixels
    assert "training: No class occurs but background; 41.7 % of the pixels are void." in done.stdout
    assert "validation: No class occurs but background; 41.7 % " in done.stdout


def test_a_palette_that_was_reordered(voc: Callable[..., list[str]]) -> None:
    dog = VOC.classes.index("dog")
    colors = VOC.palette
    colors[1] = VOC.palette[dog]
    done = fcn("check", *voc(palette(LABEL, colors), palette(LABEL)), "--json")
    record = json.loads(done.stdout)
    assert done.exit_code == 1
    (sentence,) = record["splits"]["training"]["suspicious"]
    assert "train.png: index 1 (aeroplane) is drawn in dog's color. Labels are read by" in sentence
    assert record["splits"]["validation"]["suspicious"] == []


def test_no_valid_pixel_in_validation(voc: Callable[..., list[str]]) -> None:
    done = fcn("check", *voc(palette(LABEL), palette(LABEL * 0 + 255)))
    assert done.exit_code == 1
    assert "validation: No pixel is valid: all are void. Its scores are undefined." in done.stdout


def test_images_with_an_orientation(voc: Callable[..., list[str]]) -> None:
    done = fcn("check", *voc(palette(LABEL), palette(LABEL), exif=6))
    assert done.exit_code == 0
    for title, name in (("training", "train.jpg"), ("validation", "val.jpg")):
        (line,) = [line for line in done.stdout.splitlines() if f"{name} has EXIF" in line]
        assert line.startswith(f"{title}: ")
        assert line.endswith(
            "orientation 6; its label fits the stored image, 6 x 8, not the upright one."
        )


def test_own_classes_in_vocs_layout_without_sbd(
    voc: Callable[..., list[str]], tmp_path: Path
) -> None:
    (tmp_path / "classes.txt").write_text("ground\nsky\n")
    _, _, *root = voc(palette(LABEL), palette(LABEL))
    own = ["data.sbd_root=null", f"data.classes={tmp_path / 'classes.txt'}"]
    done = fcn("check", "voc", *own, *root)
    assert done.exit_code == 0, done.stderr
    assert "sbd" not in done.stdout.partition("training on")[0].replace(str(tmp_path), "")
    assert "  sky                       41.67     41.67\n" in done.stdout


def cells(root: Path) -> Path:
    for folder, pixels in (("images", np.stack([LABEL * 90] * 3, 2)), ("masks", LABEL * 255)):
        (root / folder).mkdir(parents=True)
        for name in "abcde":
            Image.fromarray(pixels).save(root / folder / f"{name}.png")
    return root


def test_a_folder_is_guessed_checked_and_shown(tmp_path: Path) -> None:
    root = cells(tmp_path / "my cells")
    done = fcn("init", str(root))
    assert done.exit_code == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"5 images in {root / 'images'}, labels in {root / 'masks'}.",
        "No lists and no folders train and val: a fifth of the images is scored.",
        "Looked at 5 labels, of indices or grey values.",
        "The values are 0 and 255: taken for background and foreground, not void.",
        "Wrote mine/data/my_cells.yaml and mine/my_cells.classes.yaml. Correct them where the "
        "guesses are wrong, and then:",
        "  fcn data check my_cells --config-dir mine",
        "  fcn-train --config-dir mine experiment=folder data=my_cells",
    ]
    checked = fcn("check", "my_cells", "--config-dir", "mine")
    assert checked.exit_code == 0, checked.stdout
    assert "  foreground                41.67     41.67\n" in checked.stdout
    assert "contact sheet: my_cells.png\n" in checked.stdout
    with Image.open("my_cells.png") as sheet:
        assert sheet.width > 500
    again = fcn("init", str(root))
    assert (again.exit_code, again.stderr) == (
        2, "mine/data/my_cells.yaml already exists. Replace it with --overwrite.\n"
    )  # fmt: skip


def test_everything_wrong_with_a_folder_is_in_one_list(tmp_path: Path) -> None:
    root = cells(tmp_path)
    (root / "masks" / "a.png").unlink()
    Image.fromarray(LABEL * 7).save(root / "masks" / "b.png")
    Image.fromarray(LABEL[1:]).save(root / "masks" / "c.png")
    (root / "images" / "d.png").write_bytes((root / "images" / "d.png").read_bytes()[:60])
    keys = [f"data.root={root}", "data.images=images", "data.labels=masks"]
    keys.append("data.classes=[ground,sky]")
    done = fcn("check", "folder", *keys, "--sheet", "sheet.png")
    assert done.exit_code == 1
    listed = done.stdout.partition("(1)\n")[2].partition("training: 3 images")[0].splitlines()
    assert len(listed) == 5
    assert listed[0].startswith("1 image without a label in ")
    text = "\n".join(listed)
    assert f"The label map {root / 'masks/b.png'} has the value 7. Use 0, 1 for the 2 cl" in text
    assert f"The label map {root / 'masks/c.png'} is 5 x 8, but its image is 6 x 8. They" in text
    assert f"Cannot read the image {root / 'images/d.png'}: " in text
    assert "No class occurs but ground; 41.7 % of the pixels are void." in text
    assert Path("sheet.png").is_file()
