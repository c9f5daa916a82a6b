from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from fcn_lightning.labels import VOC
from fcn_lightning.tables import report
from fcn_lightning.tables.definitions import Table
from fcn_lightning.tables.results import collect
from fcn_lightning.visualize import save_label

Finish = Callable[..., Path]
CAT, COW = 8, 10


@pytest.fixture
def runs(tmp_path: Path, finish: Finish) -> Path:
    finish("shapes/fcn32s/seed0", (0.90, 0.5, 0.5, 0.8))
    finish("shapes/fcn32s/seed1", (0.92, 0.5, 0.6, 0.8))
    finish("shapes/fcn32s/seed2", (0.97, 0.5, 0.7, 0.8))
    finish("shapes/fcn8s/seed1", (0.9, 0.8, 0.75, 0.85))
    return tmp_path


def test_the_markdown_puts_ours_above_the_papers(runs: Path, table: Table):
    text = report.markdown(table, "shapes", collect(table, "shapes", runs), "table2-shapes.png")
    wide = " | ".join(["---"] * 7)
    assert text.splitlines()[:12] == [
        "# Skip architectures, from coarse to fine",
        "",
        "|  |  | pixel acc. | mean acc. | mean IU | f.w. IU | measured on |",
        f"| {wide} |",
        "| FCN-32s-fixed | ours | not run |  |  |  |  |",
        "|  | paper | 83.0 | 59.7 | 45.4 | 72.0 | seg11valid |",
        "| FCN-32s | ours | 93.0 ± 3.6 | 50.0 ± 0.0 | 60.0 ± 10.0 | 80.0 ± 0.0 "
        "| shapes, voc/val, 100 images, seeds 0, 1, 2 |",
        "|  | paper | 89.1 | 73.3 | 59.4 | 81.4 | seg11valid |",
        "| FCN-16s | ours | not run |  |  |  |  |",
        "|  | paper | 90.0 | 75.7 | 62.4 | 83.0 | seg11valid |",
        "| FCN-8s | ours | 90.0 | 80.0 | 75.0 | 85.0 | shapes, voc/val, 100 images, seed 1 |",
        "|  | paper | 90.3 | 75.9 | 62.7 | 83.2 | seg11valid |",
    ]
    assert "CVPR 2015, Table 2 (arXiv:1411.4038), on seg11valid." in text
    assert "`fcn table run table2 --data shapes`" in text
    assert text.endswith("![Predictions](table2-shapes.png)\n")


def test_without_a_picture_the_markdown_names_none(runs: Path, table: Table):
    assert "![" not in report.markdown(table, "shapes", collect(table, "shapes", runs), None)


@pytest.mark.parametrize("width", [80, 120])
def test_the_terminal_shows_every_number_whole(runs: Path, table: Table, width: int):
    console = Console(width=width)
    with console.capture() as captured:
        console.print(report.terminal(table, collect(table, "shapes", runs)))
    for number in ("93.0 ± 3.6", "60.0 ± 10.0", "not run", "75.0", "45.4", "seg11valid"):
        assert number in captured.get()


def draw(run: Path, names: tuple[str, ...], prediction: int):
    (run / "pictures").mkdir()
    for name in names:
        Image.new("RGB", (60, 40), (10, 200, 90)).save(run / "pictures" / f"{name}.image.png")
        for kind, label in (("label", 1), ("prediction", prediction)):
            path = run / "pictures" / f"{name}.{kind}.png"
            save_label(np.full((40, 60), label, np.uint8), VOC.palette, path)


def test_the_picture_shows_image_label_and_each_variants_prediction(runs: Path, table: Table):
    draw(runs / "shapes/fcn32s/seed0", ("a", "b"), CAT)
    draw(runs / "shapes/fcn8s/seed1", ("a", "b", "c"), COW)
    path = runs / "table.png"
    assert report.write_picture(table, "shapes", runs, path)
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    assert pixels.shape == (450, 1080, 3), "two rows of 1.5 and four columns of 1.8 inches at 150"
    colors = [(10, 200, 90), *(tuple(VOC.palette[label]) for label in (1, CAT, COW))]
    centers = [column_of(pixels, color) for color in colors]
    assert centers == sorted(centers)
    assert np.diff(centers) == pytest.approx(270, abs=20)


def column_of(pixels: np.ndarray, color: tuple[int, ...]) -> float:
    """The mean x of a colour, of which two rows of pictures must be full."""
    rows, columns = np.nonzero((pixels == color).all(-1))
    assert len(columns) > 2 * 200 * 130
    assert rows.min() < 150 < 350 < rows.max()
    return float(columns.mean())


def test_the_picture_is_of_the_lowest_seed(runs: Path, table: Table):
    draw(runs / "shapes/fcn32s/seed0", ("a",), CAT)
    draw(runs / "shapes/fcn32s/seed1", ("a",), COW)
    (runs / "shapes/fcn8s/seed1/scores.json").unlink()
    path = runs / "table.png"
    assert report.write_picture(table, "shapes", runs, path)
    with Image.open(path) as picture:
        colors = {color for _, color in picture.convert("RGB").getcolors(2**20)}
    assert tuple(VOC.palette[CAT]) in colors
    assert tuple(VOC.palette[COW]) not in colors


def test_images_that_not_every_row_has_are_left_out(runs: Path, table: Table):
    draw(runs / "shapes/fcn32s/seed0", ("a",), CAT)
    draw(runs / "shapes/fcn8s/seed1", ("b",), COW)
    path = runs / "table.png"
    assert not report.write_picture(table, "shapes", runs, path)
    assert not path.exists()
