import csv
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from fcn_lightning.labels import VOC
from fcn_lightning.tables import report
from fcn_lightning.tables.definitions import Table, read_table
from fcn_lightning.tables.differences import difference_lines
from fcn_lightning.tables.picture import write_picture
from fcn_lightning.tables.records import read_records
from fcn_lightning.tables.results import HeadScores, Ours, Result, collect
from fcn_lightning.visualize import save_label

Finish = Callable[..., Path]
CAT, COW = 8, 10


@pytest.fixture
def filled(runs: Path, finish: Finish) -> Path:
    finish("shapes/fcn32s/seed0", (0.90, 0.5, 0.5, 0.8))
    finish("shapes/fcn32s/seed1", (0.92, 0.5, 0.6, 0.8))
    finish("shapes/fcn32s/seed2", (0.97, 0.5, 0.7, 0.8))
    finish("shapes/fcn8s/seed1", (0.9, 0.8, 0.75, 0.85))
    return runs


def rows(table: Table, runs: Path, data: str = "shapes") -> list[Result]:
    return collect(table, data, read_records(runs)).rows


def test_the_markdown_puts_ours_above_the_papers(filled: Path, table: Table):
    text = report.markdown(table, "shapes", rows(table, filled), "table2-shapes.png")
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
    assert "`fcn table run cvpr2015/table2 --data shapes`" in text
    assert text.endswith(f"![{table.title}](table2-shapes.png)\n")


def test_without_a_picture_the_markdown_names_none(filled: Path, table: Table):
    assert "![" not in report.markdown(table, "shapes", rows(table, filled), None)


def test_the_footer_says_how_ours_were_measured(filled: Path, table: Table, finish: Finish):
    finish("shapes/fcn16s/seed0", commit="fedcba9876543210", num_processes=2)
    note, ours, repeatable = report.footer(table, rows(table, filled))
    assert note.startswith(
        "Scores in percent; ours are means over the seeds ± the sample standard deviation. Paper: "
    )
    steps = rows(table, filled)[1].ours.steps
    assert ours == (
        "Ours: shapes, voc/val, 100 images; precision 32-true; processes: 1 (FCN-32s, FCN-8s), "
        f"processes: 2 (FCN-16s); {steps} steps; commit 0123456789+ (FCN-32s, FCN-8s), "
        "commit fedcba9876 (FCN-16s)."
    )
    assert repeatable.startswith("On a CPU, the same command repeats these scores exactly")
    text = report.markdown(table, "shapes", rows(table, filled), None)
    assert all(f"\n{line}\n" in text for line in (note, ours, repeatable))


def test_the_footer_has_the_value_of_each_free_key_that_each_row_used(
    runs: Path, table: Table, finish: Finish
):
    finish("voc/fcn32s-a/seed0", config={"classifier": "a.pth"})
    finish("voc/fcn8s-b/seed0", config={"classifier": "b.pth"}, start={"classifier": "b.pth"})
    _, ours, _ = report.footer(table, rows(table, runs, "voc"))
    assert ours.endswith(
        "; classifier=a.pth (FCN-32s), classifier=b.pth (FCN-8s); normalize=caffe."
    )


def test_without_a_run_the_footer_is_the_note(runs: Path, table: Table):
    (note,) = report.footer(table, rows(table, runs))
    assert note.startswith("Scores in percent; ours are means")


def test_ten_runs_that_do_not_count_are_named_and_the_others_counted():
    left_out = {Path(f"runs/shapes/fcn32s/seed{n}"): "normalize is caffe" for n in range(13)}
    named = report.left_out_lines(left_out)
    assert named[0] == "not counted: runs/shapes/fcn32s/seed0: normalize is caffe"
    assert (len(named), named[-1]) == (11, "and 3 more")
    assert report.left_out_lines(dict(list(left_out.items())[:10])) == named[:10]


@pytest.mark.parametrize("width", [80, 120])
def test_the_terminal_shows_every_number_whole(filled: Path, table: Table, width: int):
    console = Console(width=width)
    with console.capture() as captured:
        console.print(report.terminal(table, rows(table, filled)))
    for number in ("93.0 ± 3.6", "60.0 ± 10.0", "not run", "75.0", "45.4", "seg11valid"):
        assert number in captured.get()


def draw(run: Path, names: tuple[str, ...], prediction: int):
    (run / "pictures").mkdir()
    for name in names:
        Image.new("RGB", (60, 40), (10, 200, 90)).save(run / "pictures" / f"{name}.image.png")
        for kind, label in (("label", 1), ("prediction", prediction)):
            path = run / "pictures" / f"{name}.{kind}.png"
            save_label(np.full((40, 60), label, np.uint8), VOC.palette, path)


def test_the_picture_shows_image_label_and_each_variants_prediction(filled: Path, table: Table):
    draw(filled / "shapes/fcn32s/seed0", ("a", "b"), CAT)
    draw(filled / "shapes/fcn8s/seed1", ("a", "b", "c"), COW)
    path = filled / "table.png"
    assert write_picture(rows(table, filled), path)
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    assert pixels.shape == (450, 1080, 3), "two rows of 1.5 and four columns of 1.8 inches at 150"
    colors = [(10, 200, 90), *(tuple(VOC.palette[label]) for label in (1, CAT, COW))]
    centers = [column_of(pixels, color) for color in colors]
    assert centers == sorted(centers)
    assert np.diff(centers) == pytest.approx(270, abs=20)


def column_of(pixels: np.ndarray, color: tuple[int, ...]) -> float:
    """The mean x of a color, of which two rows of pictures must be full."""
    rows, columns = np.nonzero((pixels == color).all(-1))
    assert len(columns) > 2 * 200 * 130
    assert rows.min() < 150 < 350 < rows.max()
    return float(columns.mean())


def test_the_picture_is_of_the_lowest_seed(filled: Path, table: Table):
    draw(filled / "shapes/fcn32s/seed0", ("a",), CAT)
    draw(filled / "shapes/fcn32s/seed1", ("a",), COW)
    (filled / "shapes/fcn8s/seed1/scores.json").unlink()
    path = filled / "table.png"
    assert write_picture(rows(table, filled), path)
    with Image.open(path) as picture:
        colors = {color for _, color in picture.convert("RGB").getcolors(2**20)}
    assert tuple(VOC.palette[CAT]) in colors
    assert tuple(VOC.palette[COW]) not in colors


def test_the_picture_is_of_the_first_head(filled: Path, table: Table):
    for folder in ("shapes/fcn32s/seed0", "shapes/fcn8s/seed1"):
        draw(filled / folder, ("a",), CAT)
        for kind in ("label", "prediction"):
            own = filled / folder / "pictures" / f"a.geo.{kind}.png"
            save_label(np.full((40, 60), COW, np.uint8), VOC.palette, own)
    path = filled / "table.png"
    assert write_picture(rows(table, filled), path)
    with Image.open(path) as picture:
        colors = {color for _, color in picture.convert("RGB").getcolors(2**20)}
    assert tuple(VOC.palette[CAT]) in colors
    assert tuple(VOC.palette[COW]) not in colors


def test_the_picture_is_of_runs_that_count_wherever_they_are(
    filled: Path, table: Table, finish: Finish
):
    draw(finish("shapes/fcn32s/seed0", config={"trainer.limit_test_batches": 1}), ("a",), CAT)
    (filled / "shapes/fcn8s/seed1/scores.json").unlink()
    moved = (filled / "shapes/fcn32s/seed1").rename(filled / "moved")
    draw(moved, ("b",), COW)
    path = filled / "table.png"
    assert write_picture(rows(table, filled), path)
    with Image.open(path) as picture:
        colors = {color for _, color in picture.convert("RGB").getcolors(2**20)}
    assert tuple(VOC.palette[COW]) in colors
    assert tuple(VOC.palette[CAT]) not in colors


def test_images_that_not_every_row_has_are_left_out(filled: Path, table: Table):
    draw(filled / "shapes/fcn32s/seed0", ("a",), CAT)
    draw(filled / "shapes/fcn8s/seed1", ("b",), COW)
    path = filled / "table.png"
    assert not write_picture(rows(table, filled), path)
    assert not path.exists()


def test_csv_has_a_line_for_ours_and_for_the_papers_numbers(filled: Path, table: Table):
    found = list(csv.DictReader(io.StringIO(report.as_csv(table, rows(table, filled)))))
    assert [(line["row"], line["of"], line["mean IU"]) for line in found] == [
        ("FCN-32s-fixed", "ours", ""), ("FCN-32s-fixed", "paper", "45.4"),
        ("FCN-32s", "ours", "60.0 ± 10.0"), ("FCN-32s", "paper", "59.4"),
        ("FCN-16s", "ours", ""), ("FCN-16s", "paper", "62.4"),
        ("FCN-8s", "ours", "75.0"), ("FCN-8s", "paper", "62.7"),
    ]  # fmt: skip


def test_latex_is_a_tabular_whose_rows_have_as_many_cells(filled: Path, table: Table):
    text = report.latex(table, rows(table, filled))
    body = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert {line.count("&") for line in body} == {6}
    assert len(body) == 1 + 2 * 4
    assert r"FCN-32s & ours & 93.0 $\pm$ 3.6 & " in text
    assert text.startswith("% Scores in percent; ours are means")
    assert r"\begin{tabular}{llrrrrl}" in text


def test_other_methods_have_no_line_of_ours_and_recalled_numbers_a_mark():
    table = read_table("pami2016/context")
    none = collect(table, "shapes", read_records(Path("nothing")))
    found = [line for result in none.rows for line in report.lines(result, table)]
    assert found[0] == ("O2P", "paper", "", "", "18.1*", "", "PASCAL-Context val")
    assert [line[1] for line in found] == ["paper"] * 2 + ["ours", "paper"] * 3
    (note,) = report.footer(table, none.rows)
    assert note.endswith("* Recalled; not checked against the paper.")


def test_a_head_has_a_column_of_its_own(runs: Path, finish: Finish):
    table = read_table("cvpr2015/table5")
    assert report.header(table)[-2] == "geo pixel acc."
    finished = collect(table, "shapes", read_records(runs)).rows[-1]
    scores = {"pixel_acc": 0.8, "mean_acc": 0.6, "mean_iu": 0.5, "fw_iu": 0.7}
    ours = Ours(
        **scores, data="d", split="s", num_images=2, seeds=[0], std=None, steps=1,
        precision="32-true", num_processes=[1], commits=["a"], free={}, runs=["r"],
        heads={"geo": HeadScores(**{**scores, "pixel_acc": 0.95}, std=None)},
    )  # fmt: skip
    line = report.lines(finished.model_copy(update={"ours": ours}), table)[0]
    assert line[2:7] == ("80.0", "60.0", "50.0", "70.0", "95.0")


def test_the_footer_says_which_network_stands_in_for_a_row(runs: Path, finish: Finish):
    table = read_table("cvpr2015/table5")
    none = collect(table, "shapes", read_records(runs)).rows
    assert none[-1].stands_in == "FCN-8s at once"
    ours = Ours(
        pixel_acc=0.8, mean_acc=0.6, mean_iu=0.5, fw_iu=0.7, data="d", split="s", num_images=2,
        seeds=[0], std=None, steps=1, precision="32-true", num_processes=[1], commits=["a"],
        free={}, runs=["r"],
    )  # fmt: skip
    _, measured, _ = report.footer(table, [none[-1].model_copy(update={"ours": ours})])
    assert measured.endswith("on these data, FCN-16s is FCN-8s at once.")


def test_a_row_is_compared_with_the_row_above_image_by_image(filled: Path, table: Table):
    """One image each: 1 of 2 pixels of each class right, then all: 1/3 and 1 mean IU."""
    half, whole = np.ones((1, 2, 2), np.int32), 2 * np.eye(2, dtype=np.int32)[None]
    for run, confusion in (("fcn32s/seed1", half), ("fcn8s/seed1", whole)):
        np.savez(filled / "shapes" / run / "per_image.npz", names=["a"], confusion=confusion,
                 average_over=[])  # fmt: skip
    assert list(difference_lines(rows(table, filled))) == [
        "FCN-8s - FCN-32s: +66.7 mean IU (95 % of resampled image sets: +66.7 to +66.7), seed 1"
    ]
