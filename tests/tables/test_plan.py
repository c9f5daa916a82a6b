from collections.abc import Callable
from pathlib import Path

import pytest

from fcn_lightning.tables import training
from fcn_lightning.tables.definitions import Table, read_table
from fcn_lightning.tables.plan import Planned, Wanted, plan, to_do
from fcn_lightning.tables.records import read_records

pytestmark = pytest.mark.usefixtures("composing_once")

Finish = Callable[..., Path]
ROWS = ["fcn32s_fixed", "fcn32s", "fcn16s", "fcn8s"]


def names(planned: list[Planned]) -> list[str]:
    return [f"{each.run.experiment}/{each.run.name}" for each in planned]


def missing(wanted: Wanted) -> list[Planned]:
    return to_do(wanted, plan(wanted, read_records(wanted.runs)))


def test_each_seed_begins_with_the_classifier_and_then_follows_the_rows(table: Table, runs: Path):
    planned = plan(Wanted(table, "shapes", [0, 2], runs), read_records(runs))
    stages = ["shapes_classifier/classifier", *(f"shapes/{row}" for row in ROWS)]
    assert names(planned) == [f"{stage}/seed{n}" for n in (0, 2) for stage in stages]
    assert not any(each.counting for each in planned)
    common = ("seed=0", f"paths.runs={runs}", "resume=auto")
    assert planned[0].overrides == (
        "experiment=shapes_classifier", "tags=[cvpr2015/table2,classifier]", "head=classifier",
        *common,
    )  # fmt: skip
    assert planned[2].overrides == (
        "experiment=shapes", "tags=[cvpr2015/table2,fcn32s]", "head=fcn32s", *common,
    )  # fmt: skip
    assert planned[2].run.settings.tags == ["cvpr2015/table2", "fcn32s"]


def test_a_job_waits_for_the_stage_from_which_it_starts(table: Table, runs: Path):
    jobs = training.jobs_of(missing(Wanted(table, "shapes", [1], runs)))
    classifier, _, fcn32s, fcn16s, _ = jobs
    assert [job.after for job in jobs] == [[], [classifier], [classifier], [fcn32s], [fcn16s]]
    assert jobs[1].arguments[:3] == (
        "experiment=shapes", "tags=[cvpr2015/table2,fcn32s_fixed]", "head=fcn32s_fixed",
    )  # fmt: skip


def test_runs_that_count_stay_and_those_that_were_stopped_are_resumed(
    runs: Path, table: Table, finish: Finish
):
    finish("shapes_classifier/classifier/seed0")
    finish("shapes/fcn32s/seed0")
    (runs / "shapes/fcn16s/seed0").mkdir(parents=True)
    found = missing(Wanted(table, "shapes", [0], runs))
    assert names(found) == [f"shapes/{row}/seed0" for row in ("fcn32s_fixed", "fcn16s", "fcn8s")]
    assert {each.overrides[-1] for each in found} == {"resume=auto"}
    jobs = training.jobs_of(found)
    assert [job.after for job in jobs] == [[], [], [jobs[1]]]


def test_force_makes_all_of_them_again(runs: Path, table: Table, finish: Finish):
    finish("shapes/fcn32s/seed0")
    (runs / "shapes/fcn16s/seed0").mkdir(parents=True)
    found = missing(Wanted(table, "shapes", [0], runs, force=True))
    assert len(found) == 5
    assert {each.overrides[-1] for each in found} == {"overwrite=true"}
    assert not any("resume=auto" in each.overrides for each in found)


def test_overrides_go_to_every_run_and_name_their_folders(table: Table, runs: Path):
    extra = ["classifier=vgg16.pth", "data.root=/photos"]
    Path("vgg16.pth").touch()
    found = missing(Wanted(table, "voc", [0], runs, extra))
    assert names(found) == [f"voc/{row}-classifier-vgg16.pth/seed0" for row in ROWS]
    assert all(each.overrides[-3:-1] == tuple(extra) for each in found)
    jobs = training.jobs_of(found)
    assert [job.after for job in jobs] == [[], [], [jobs[1]], [jobs[2]]]


def test_a_run_that_was_moved_is_not_trained_again_unless_another_starts_from_it(
    runs: Path, table: Table, finish: Finish
):
    (runs / "old").mkdir()
    for row in ROWS:
        finish(f"shapes/{row}/seed0").rename(runs / "old" / row)
    assert missing(Wanted(table, "shapes", [0], runs)) == []
    (runs / "old/fcn8s/scores.json").unlink()
    assert names(missing(Wanted(table, "shapes", [0], runs))) == [
        "shapes_classifier/classifier/seed0", "shapes/fcn32s/seed0", "shapes/fcn16s/seed0",
        "shapes/fcn8s/seed0",
    ]  # fmt: skip


def test_a_run_with_another_value_of_a_free_key_is_another_run(
    runs: Path, table: Table, finish: Finish
):
    extra = ["classifier=b.pth", "data.root=/photos"]
    finish("voc/fcn32s-a/seed0", config={"classifier": "a.pth"})
    assert len(missing(Wanted(table, "voc", [0], runs, extra))) == 4
    finish("voc/fcn32s-b/seed0", config={"classifier": "b.pth"})
    planned = plan(Wanted(table, "voc", [0], runs, extra), read_records(runs))
    assert [len(each.counting) for each in planned] == [0, 1, 0, 0]


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"init_from": None}, "init_from is None, not default"),
        ({"trainer.fast_dev_run": True}, "trainer.fast_dev_run is True, not False"),
    ],
)
def test_a_smoke_test_in_the_folder_of_a_run_does_not_count_as_complete(
    runs: Path, table: Table, finish: Finish, config: dict[str, object], why: str
):
    finish("shapes_classifier/classifier/seed0")
    folder = finish("shapes/fcn32s/seed0", config=config)
    with pytest.raises(ValueError, match="does not count") as caught:
        missing(Wanted(table, "shapes", [0], runs))
    assert str(caught.value) == (
        f"{folder} holds a finished run that does not count for cvpr2015/table2: {why}. Replace "
        "it with --force, or move it out of the way."
    )
    assert len(missing(Wanted(table, "shapes", [0], runs, force=True))) == 5
    replaced = missing(Wanted(table, "shapes", [0], runs, ["overwrite=true"]))
    assert names(replaced) == [f"shapes/{row}/seed0" for row in ROWS]
    assert "resume=auto" not in replaced[0].overrides


def test_a_record_of_format_1_in_the_folder_of_a_run_is_named(runs: Path, table: Table):
    folder = runs / "shapes/fcn32s/seed0"
    folder.mkdir(parents=True)
    (folder / "scores.json").write_text('{"format": 1, "experiment": "shapes"}')
    with pytest.raises(
        ValueError, match="does not count for cvpr2015/table2: format 1, from an earlier"
    ):
        missing(Wanted(table, "shapes", [0], runs))


def test_a_classifier_that_does_not_count_is_trained_again(
    runs: Path, table: Table, finish: Finish
):
    folder = finish("shapes_classifier/classifier/seed0", step=3)
    with pytest.raises(ValueError, match="it was stopped after 3 of"):
        missing(Wanted(table, "shapes", [0], runs))
    folder.rename(runs / "short")
    assert names(missing(Wanted(table, "shapes", [0], runs)))[0] == (
        "shapes_classifier/classifier/seed0"
    )


@pytest.mark.parametrize(
    ("extra", "changed"),
    [
        (["recipe.max_steps=3"], "recipe.max_steps is 3, not "),
        (["seed=4"], "seed is 4, not 0"),
        (["head=fcn8s"], "head."),
        (["name=mine"], "name is mine, not shapes"),
        (["paths.runs=elsewhere"], "paths.runs is elsewhere, not "),
        (["debug=fdr"], ""),
        (["init_from=null"], "init_from is None, not default"),
        (["normalize=caffe"], "normalize is caffe, not torchvision"),
    ],
)
def test_overrides_that_change_a_row_are_refused(
    runs: Path, table: Table, extra: list[str], changed: str
):
    with pytest.raises(ValueError, match="Train a variant with fcn-train") as caught:
        missing(Wanted(table, "shapes", [0], runs, extra))
    assert str(caught.value).startswith(
        f"`{extra[0]}` changes the runs of cvpr2015/table2: {changed}"
    )


def test_overrides_of_devices_and_logging_are_passed_on(runs: Path, table: Table):
    extra = ["trainer=cpu", "logger=csv", "num_workers=0", "paths.data=elsewhere"]
    found = missing(Wanted(table, "shapes", [0], runs, extra))
    assert len(found) == 5
    assert found[0].run.loggers == {}


def test_configs_of_ones_own_are_found(tmp_path: Path, runs: Path, table: Table):
    (tmp_path / "mine/logger").mkdir(parents=True)
    (tmp_path / "mine/logger/ours.yaml").write_text("defaults: [tensorboard]\n")
    wanted = Wanted(table, "shapes", [0], runs, ["logger=ours"], config_dir=tmp_path / "mine")
    found = missing(wanted)
    assert all(list(each.run.loggers) == ["tensorboard"] for each in found)
    (job, *_) = training.jobs_of(found)
    assert f"hydra.searchpath=[{tmp_path}/mine]" in job.arguments


def test_unknown_data_is_refused(table: Table, runs: Path):
    with pytest.raises(ValueError, match="cvpr2015/table2 has no data set 'nyud'"):
        missing(Wanted(table, "nyud", [0], runs))


def test_named_rows_are_trained_with_what_they_start_from(runs: Path, table: Table):
    wanted = Wanted(table, "shapes", [0], runs, rows=["fcn16s"])
    assert [each.run.head for each in missing(wanted)] == ["classifier", "fcn32s", "fcn16s"]
    with pytest.raises(ValueError, match="has no row") as caught:
        Wanted(table, "shapes", [0], runs, rows=["fcn64s"])
    assert str(caught.value) == (
        "cvpr2015/table2 on shapes has no row fcn64s of ours. Choose from fcn32s_fixed, "
        "fcn32s, fcn16s, fcn8s."
    )


def test_late_fusion_starts_from_the_rows_of_its_modalities(runs: Path):
    table = read_table("cvpr2015/table4")
    wanted = Wanted(table, "shapes", [0], runs, rows=["rgb_hha"])
    assert [each.run.experiment for each in missing(wanted)] == [
        "shapes_classifier", "shapes_nyud_color", "shapes_nyud_depth", "shapes_nyud_color_depth",
    ]  # fmt: skip


def test_rows_without_a_classifier_are_left_out_where_others_are_named(runs: Path):
    table = read_table("cvpr2015/table4")
    own = ["data.root=x"]
    late = Wanted(table, "nyud", [0], runs, own, rows=["rgb_hha"])
    assert [each.run.experiment for each in missing(late)] == ["nyud_color_hha"]
    given = [*own, "classifier=vgg16.pth"]
    single = Wanted(table, "nyud", [0], runs, given, rows=["rgb", "hha"])
    assert [each.run.experiment for each in missing(single)] == ["nyud_color", "nyud_hha"]
    with pytest.raises(ValueError, match="changes the runs of cvpr2015/table4: classifier is"):
        missing(Wanted(table, "nyud", [0], runs, given))
