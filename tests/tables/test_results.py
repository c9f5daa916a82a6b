from collections.abc import Callable
from pathlib import Path

import pytest

from fcn_lightning.tables.definitions import Table
from fcn_lightning.tables.results import collect, complete_seeds, default_data

Finish = Callable[..., Path]


def test_mean_and_sample_deviation_of_three_seeds(tmp_path: Path, table: Table, finish: Finish):
    finish("shapes/fcn16s/seed0", (0.90, 0.5, 0.5, 0.8))
    finish("shapes/fcn16s/seed1", (0.92, 0.5, 0.6, 0.8))
    finish("shapes/fcn16s/seed2", (0.97, 0.5, 0.7, 0.8))
    fixed, _, fcn16s, _ = collect(table, "shapes", tmp_path)
    assert fixed.ours is None
    ours = fcn16s.ours
    assert ours is not None
    assert ours.std is not None
    assert (ours.pixel_acc, ours.mean_acc, ours.mean_iu, ours.fw_iu) == pytest.approx(
        (0.93, 0.5, 0.6, 0.8)
    )
    # pixel_acc: sqrt((0.03^2 + 0.01^2 + 0.04^2) / 2) = sqrt(0.0013)
    assert ours.std.pixel_acc == pytest.approx(0.0360555, abs=1e-7)
    assert ours.std.mean_iu == pytest.approx(0.1)
    assert (ours.std.mean_acc, ours.std.fw_iu) == (0, 0)
    assert (ours.data, ours.split, ours.num_images) == ("shapes", "voc/val", 100)
    assert ours.seeds == [0, 1, 2]


def test_one_seed_has_no_deviation(tmp_path: Path, table: Table, finish: Finish):
    finish("shapes/fcn32s/seed7", (0.9, 0.5, 0.4, 0.8))
    ours = collect(table, "shapes", tmp_path)[1].ours
    assert ours is not None
    assert (ours.mean_iu, ours.seeds, ours.std) == (0.4, [7], None)


def test_seeds_are_in_order_of_numbers_and_incomplete_ones_left_out(tmp_path: Path, finish: Finish):
    for seed in (10, 2, 0):
        finish(f"shapes/fcn32s/seed{seed}", (0.9, 0.5, 0.4, 0.8))
    (tmp_path / "shapes/fcn32s/seed1").mkdir()
    names = [run.name for run in complete_seeds(tmp_path / "shapes/fcn32s")]
    assert names == ["seed0", "seed2", "seed10"]


def test_each_data_has_rows_of_its_own(tmp_path: Path, table: Table, finish: Finish):
    finish("shapes/fcn32s/seed0", (0.9, 0.5, 0.4, 0.8))
    finish("voc/fcn32s/seed0", (0.8, 0.4, 0.3, 0.7), split="seg11valid", num_images=736)
    finish("voc/fcn8s/seed0", (0.8, 0.4, 0.3, 0.7), split="seg11valid", num_images=736)
    shapes = [result.ours and result.ours.data for result in collect(table, "shapes", tmp_path)]
    voc = [result.ours and result.ours.num_images for result in collect(table, "voc", tmp_path)]
    assert shapes == [None, "shapes", None, None]
    assert voc == [None, 736, None, 736]


def test_seeds_on_other_images_are_not_averaged(tmp_path: Path, table: Table, finish: Finish):
    finish("shapes/fcn32s/seed0", (0.9, 0.5, 0.4, 0.8))
    finish("shapes/fcn32s/seed1", (0.9, 0.5, 0.4, 0.8), num_images=50)
    with pytest.raises(
        ValueError, match=r"seed0/scores\.json is on shapes, voc/val, 100 images, .*50"
    ):
        collect(table, "shapes", tmp_path)


def test_scores_of_other_data_are_refused(tmp_path: Path, table: Table, finish: Finish):
    finish("shapes/fcn32s/seed0", (0.9, 0.5, 0.4, 0.8), data="voc")
    with pytest.raises(ValueError, match=r"json must be scored on shapes; it is on voc\.$"):
        collect(table, "shapes", tmp_path)


def test_default_is_the_data_with_most_rows_and_shapes_on_a_tie(
    tmp_path: Path, table: Table, finish: Finish
):
    assert default_data(table, tmp_path) == "shapes"
    finish("voc/fcn32s/seed0", (0.8, 0.4, 0.3, 0.7))
    assert default_data(table, tmp_path) == "voc"
    finish("shapes/fcn8s/seed0", (0.8, 0.4, 0.3, 0.7))
    assert default_data(table, tmp_path) == "shapes"
    finish("voc/fcn32s/seed1", (0.8, 0.4, 0.3, 0.7))
    assert default_data(table, tmp_path) == "shapes", "rows count, not seeds"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"format": 1,', "Invalid JSON"),
        ('{"format": 2}', "`format`: Input should be 1"),
        ('{"format": 1}', "`seed`: Field required"),
    ],
)
def test_a_broken_file_is_named(
    tmp_path: Path, table: Table, finish: Finish, content: str, message: str
):
    path = finish("shapes/fcn32s/seed0", (0.9, 0.5, 0.4, 0.8)) / "scores.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=message) as caught:
        collect(table, "shapes", tmp_path)
    assert str(caught.value).startswith(f"{path} must be scores of format 1")
    assert "\n" not in str(caught.value)


def test_a_score_that_is_no_number_is_refused(tmp_path: Path, table: Table, finish: Finish):
    finish("shapes/fcn32s/seed0", (float("nan"), 0.5, 0.4, 0.8))
    with pytest.raises(ValueError, match=r"`scores\.pixel_acc`: "):
        collect(table, "shapes", tmp_path)
