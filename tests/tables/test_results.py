import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from fcn_lightning.tables.definitions import Table
from fcn_lightning.tables.records import read_records
from fcn_lightning.tables.results import Results, collect, collect_default

Finish = Callable[..., Path]


def collected(table: Table, data: str, runs: Path) -> Results:
    return collect(table, data, read_records(runs))


def test_mean_and_sample_deviation_of_three_seeds(runs: Path, table: Table, finish: Finish):
    finish("shapes/fcn16s/seed0", (0.90, 0.5, 0.5, 0.8))
    finish("shapes/fcn16s/seed1", (0.92, 0.5, 0.6, 0.8))
    finish("shapes/fcn16s/seed2", (0.97, 0.5, 0.7, 0.8))
    fixed, _, fcn16s, _ = collected(table, "shapes", runs).rows
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


def test_a_table_can_print_the_mean_iu_of_named_classes(runs: Path, table: Table, finish: Finish):
    finish("shapes/fcn32s/seed0", (0.9, 0.5, 0.4, 0.8, 0.45))
    data = table.data["shapes"].model_copy(update={"mean_iu": "mean_iu_subset"})
    named = table.model_copy(update={"data": {"shapes": data}})
    for each, expected in ((table, 0.4), (named, 0.45)):
        ours = collected(each, "shapes", runs).rows[1].ours
        assert ours is not None
        assert (ours.mean_iu, ours.pixel_acc) == (expected, 0.9)


def test_one_seed_has_no_deviation(runs: Path, table: Table, finish: Finish):
    finish("shapes/fcn32s/seed7", (0.9, 0.5, 0.4, 0.8))
    ours = collected(table, "shapes", runs).rows[1].ours
    assert ours is not None
    assert (ours.mean_iu, ours.seeds, ours.std) == (0.4, [7], None)


def test_seeds_are_in_order_of_numbers_and_unfinished_ones_left_out(
    runs: Path, table: Table, finish: Finish
):
    for seed in (10, 2, 0):
        finish(f"shapes/fcn32s/seed{seed}")
    (runs / "shapes/fcn32s/seed1").mkdir()
    ours = collected(table, "shapes", runs).rows[1].ours
    assert ours is not None
    assert ours.seeds == [0, 2, 10]
    assert [Path(run).name for run in ours.runs] == ["seed0", "seed2", "seed10"]


def test_each_data_has_rows_of_its_own(runs: Path, table: Table, finish: Finish):
    finish("shapes/fcn32s/seed0")
    for row in ("fcn32s", "fcn8s"):
        finish(f"voc/{row}/seed0", split="seg11valid", num_images=736, split_size=736)
    shapes = [row.ours and row.ours.data for row in collected(table, "shapes", runs).rows]
    voc = [row.ours and row.ours.num_images for row in collected(table, "voc", runs).rows]
    assert shapes == [None, "shapes", None, None]
    assert voc == [None, 736, None, 736]


def test_seeds_on_other_images_are_not_averaged(runs: Path, table: Table, finish: Finish):
    finish("shapes/fcn32s/seed0")
    finish("shapes/fcn32s/seed1", num_images=50, split_size=50)
    with pytest.raises(
        ValueError, match=r"^The seeds of FCN-32s .*seed0 on shapes, voc/val, 100 images, .*50"
    ):
        collected(table, "shapes", runs)


def test_scores_of_other_data_do_not_count(runs: Path, table: Table, finish: Finish):
    folder = finish("shapes/fcn32s/seed0", config={"data.name": "voc"})
    results = collected(table, "shapes", runs)
    assert results.num_run == 0
    assert results.left_out == {folder: "data.name is voc, not shapes"}


def test_default_is_the_data_with_most_rows_and_shapes_on_a_tie(
    runs: Path, table: Table, finish: Finish
):
    def default() -> str:
        return collect_default(table, read_records(runs)).data

    assert default() == "shapes"
    finish("voc/fcn32s/seed0")
    assert default() == "voc"
    finish("shapes/fcn8s/seed0")
    assert default() == "shapes"
    finish("voc/fcn32s/seed1")
    assert default() == "shapes", "rows count, not seeds"
    finish("voc/fcn8s/seed1", config={"trainer.limit_test_batches": 1})
    assert default() == "shapes", "what does not count is not counted"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ('{"format": 2,', "not a record of format 2 (Invalid JSON"),
        (
            '{"format": 1, "seed": 0}',
            "format 1, from an earlier version: it does not say how the run was configured",
        ),
        ('{"format": 3}', "not a record of format 2 (`format`: Input should be 2"),
        ('{"format": 2}', "not a record of format 2 (`experiment`: Field required"),
        ("", "not a record of format 2 (Invalid JSON"),
    ],
)
def test_a_file_that_is_no_record_is_named(
    runs: Path, table: Table, finish: Finish, content: str, why: str
):
    folder = finish("shapes/fcn32s/seed0")
    (folder / "scores.json").write_text(content)
    results = collected(table, "shapes", runs)
    assert results.num_run == 0
    assert list(results.left_out) == [folder]
    assert results.left_out[folder].startswith(why)
    assert "\n" not in results.left_out[folder]


def test_a_record_of_format_1_is_named_on_its_own_data_alone(runs: Path, table: Table):
    (runs / "old").mkdir()
    (runs / "old/scores.json").write_text('{"format": 1, "experiment": "voc", "seed": 0}')
    assert collected(table, "shapes", runs).left_out == {}
    assert list(collected(table, "voc", runs).left_out) == [runs / "old"]


def test_a_folder_in_place_of_the_file_is_named(runs: Path, table: Table):
    (runs / "shapes/fcn32s/seed0/scores.json").mkdir(parents=True)
    results = collected(table, "shapes", runs)
    assert results.left_out == {runs / "shapes/fcn32s/seed0": "Is a directory"}


def test_a_score_that_is_no_number_does_not_count(runs: Path, table: Table, finish: Finish):
    undefined = finish("shapes/fcn32s/seed0", (None, 0.5, 0.4, 0.8))
    wrong = finish("shapes/fcn32s/seed1", (0.9, 0.5, 40.0, 0.8))
    results = collected(table, "shapes", runs)
    assert results.num_run == 0
    assert results.left_out == {
        undefined: "`scores.pixel_acc` is None",
        wrong: "`scores.mean_iu` is 40.0",
    }


@pytest.mark.parametrize(
    ("config", "changes", "why"),
    [
        ({"init_from": None}, {}, "init_from is None, not default"),
        (
            {"trainer.fast_dev_run": True},
            {"num_images": 1, "step": 1},
            "trainer.fast_dev_run is True, not False",
        ),
        (
            {"trainer.limit_test_batches": 1},
            {"num_images": 1},
            "trainer.limit_test_batches is 1, not None",
        ),
        ({}, {"num_images": 1}, "1 of 100 images were scored"),
        ({}, {"step": 3}, "it was stopped after 3 of"),
        ({"normalize": "caffe"}, {}, "normalize is caffe, not torchvision"),
        (
            {"trainer.precision": "bf16-true", "recipe.lr": 1.0, "seed": 4, "augment.crop": 32},
            {},
            "augment.crop is 32, not ",
        ),
    ],
)
def test_a_smoke_test_beside_a_real_run_does_not_count(
    runs: Path,
    table: Table,
    finish: Finish,
    config: dict[str, object],
    changes: dict[str, object],
    why: str,
):
    finish("shapes/fcn32s/seed1", (0.9, 0.5, 0.4, 0.8))
    smoke = finish("shapes/fcn32s/seed0", (0.97, 0.9, 0.9, 0.9), config, **changes)
    results = collected(table, "shapes", runs)
    ours = results.rows[1].ours
    assert ours is not None
    assert (ours.mean_iu, ours.seeds) == (0.4, [1])
    assert list(results.left_out) == [smoke]
    assert results.left_out[smoke].startswith(why)


def test_of_many_differences_three_are_named(runs: Path, table: Table, finish: Finish):
    changes = {
        "recipe.lr": 1.0,
        "recipe.clip": 5.0,
        "trainer.precision": "64-true",
        "fusion": "late",
    }
    folder = finish("shapes/fcn32s/seed0", config=changes)
    assert collected(table, "shapes", runs).left_out[folder] == (
        "fusion is late, not None; recipe.clip is 5.0, not 1.0; recipe.lr is 1.0, not 0.001; and 1 "
        "more"
    )


def test_keys_that_compute_nothing_may_differ(runs: Path, table: Table, finish: Finish):
    other = {
        "num_workers": 7, "trainer.devices": 2, "trainer.accelerator": "gpu", "tags": ["mine"],
        "data.root": "/elsewhere", "callbacks": {}, "logger": {}, "overwrite": True,
    }  # fmt: skip
    finish("shapes/fcn32s/seed0", config=other, num_processes=2)
    results = collected(table, "shapes", runs)
    assert (results.num_run, results.left_out) == (1, {})


def test_runs_of_other_heads_experiments_and_debug_runs_are_not_named(
    runs: Path, table: Table, finish: Finish
):
    finish("shapes/fcn8s_at_once/seed0")
    finish("shapes_classifier/classifier/seed0", config={"recipe.lr": 1.0})
    finish("debug/shapes/fcn32s/seed0", config={"recipe.max_steps": 20}, debug="limit")
    results = collected(table, "shapes", runs)
    assert (results.num_run, results.left_out) == (0, {})


def test_a_run_that_was_moved_counts(runs: Path, table: Table, finish: Finish):
    folder = finish("shapes/fcn16s/seed0")
    (runs / "paper").mkdir()
    moved = folder.rename(runs / "paper/sixteen")
    ours = collected(table, "shapes", runs).rows[2].ours
    assert ours is not None
    assert (ours.seeds, ours.runs) == ([0], [str(moved)])


def test_of_two_runs_of_one_seed_the_later_counts(runs: Path, table: Table, finish: Finish):
    first = finish("shapes/fcn32s/seed0", (0.9, 0.5, 0.3, 0.8))
    second = finish("copies/shapes/fcn32s/seed0", (0.9, 0.5, 0.4, 0.8))
    os.utime(first / "scores.json", (1000, 1000))
    os.utime(second / "scores.json", (2000, 2000))
    results = collected(table, "shapes", runs)
    ours = results.rows[1].ours
    assert ours is not None
    assert (ours.mean_iu, ours.seeds) == (0.4, [0])
    assert results.left_out == {first: f"seed 0 is counted from {second}"}


@pytest.mark.parametrize("key", ["normalize", "classifier"])
def test_runs_that_differ_in_a_free_key_are_never_averaged(
    runs: Path, table: Table, finish: Finish, key: str
):
    for seed, mean_iu in enumerate((0.3, 0.5)):
        finish(f"voc/fcn32s-a/seed{seed}", (0.9, 0.5, mean_iu, 0.8), {key: "a"})
    other = finish("voc/fcn32s-b/seed0", (0.9, 0.5, 0.9, 0.8), {key: "b"})
    results = collected(table, "voc", runs)
    ours = results.rows[1].ours
    assert ours is not None
    assert ours.mean_iu == pytest.approx(0.4)
    assert (ours.seeds, ours.free[key]) == ([0, 1], "a")
    assert results.left_out == {other: f"{key} is b, not a as in the row"}


def test_on_a_tie_the_latest_value_of_a_free_key_is_the_row(
    runs: Path, table: Table, finish: Finish
):
    for time, name in ((2000, "a"), (1000, "b")):
        folder = finish(f"voc/fcn32s-{name}/seed0", config={"normalize": name})
        os.utime(folder / "scores.json", (time, time))
    assert collected(table, "voc", runs).rows[1].ours.free["normalize"] == "a"
    os.utime(folder / "scores.json", (3000, 3000))
    assert collected(table, "voc", runs).rows[1].ours.free["normalize"] == "b"


def test_a_key_that_is_free_on_voc_is_not_on_shapes(runs: Path, table: Table, finish: Finish):
    folder = finish("shapes/fcn32s/seed0", config={"classifier": "mine.pth"})
    results = collected(table, "shapes", runs)
    own = "${paths.runs}/shapes_classifier/classifier/seed0"
    assert results.left_out == {folder: f"classifier is mine.pth, not {own}"}


@pytest.mark.parametrize(
    ("row", "start", "place"),
    [
        ("fcn32s", {"recipe.batch": 3}, "shapes_classifier/classifier/seed0"),
        ("fcn16s", {"recipe.batch": 3}, "shapes/fcn32s/seed0"),
    ],
)
def test_a_run_from_a_start_that_does_not_count_does_not_count(
    runs: Path, table: Table, finish: Finish, row: str, start: dict[str, object], place: str
):
    folder = finish(f"shapes/{row}/seed0", start=start)
    results = collected(table, "shapes", runs)
    assert results.num_run == 0
    assert results.left_out[folder].startswith(
        f"it starts from {place}, where recipe.batch is 3, not"
    )


def test_a_start_has_the_free_values_of_the_run(runs: Path, table: Table, finish: Finish):
    same = {"normalize": "torchvision"}
    folder = finish("voc/fcn16s/seed0", config=same, start={"normalize": "caffe"})
    assert collected(table, "voc", runs).left_out == {
        folder: "it starts from voc/fcn32s/seed0, where normalize is caffe, not torchvision"
    }
    finish(
        "voc/fcn16s/seed0", config={"normalize": "torchvision"}, start={"normalize": "torchvision"}
    )
    assert collected(table, "voc", runs).left_out == {}


def test_a_start_that_no_run_made_does_not_count(runs: Path, table: Table, finish: Finish):
    folder = finish("shapes/fcn32s/seed0")
    record = json.loads((folder / "scores.json").read_text())
    record["start"] = {"": {"path": "weights.pth", "config": None}}
    (folder / "scores.json").write_text(json.dumps(record))
    assert collected(table, "shapes", runs).left_out == {
        folder: "it starts from weights.pth, which is no finished run"
    }
    (folder / "scores.json").write_text(json.dumps(record | {"start": {}}))
    assert collected(table, "shapes", runs).left_out == {folder: "it starts from nothing"}
