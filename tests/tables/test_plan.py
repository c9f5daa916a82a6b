from collections.abc import Callable
from pathlib import Path

import pytest

from fcn_lightning.tables.definitions import Table
from fcn_lightning.tables.plan import plan

ROWS = ["fcn32s_fixed", "fcn32s", "fcn16s", "fcn8s"]


def test_each_seed_begins_with_the_classifier_and_then_follows_the_rows(table: Table):
    steps = plan(table, "shapes", [0, 2], Path("runs"))
    stages = ["shapes_classifier/classifier", *(f"shapes/{row}" for row in ROWS)]
    assert [s.name for s in steps] == [f"{stage}/seed{n}" for n in (0, 2) for stage in stages]
    assert not any(step.complete for step in steps)
    common = ("seed=0", "paths.runs=runs", "logger.group=table2-shapes")
    assert steps[0].overrides == ("experiment=shapes_classifier", "head=classifier", *common)
    assert steps[2].overrides == ("experiment=shapes", "head=fcn32s", *common)


def test_a_row_needs_the_stage_from_which_it_starts(table: Table):
    classifier = Path("runs/shapes_classifier/classifier/seed1")
    assert [step.needs for step in plan(table, "shapes", [1], Path("runs"))] == [
        (),
        (classifier,),
        (classifier,),
        (Path("runs/shapes/fcn32s/seed1"),),
        (Path("runs/shapes/fcn16s/seed1"),),
    ]


def test_what_is_complete_stays_and_what_was_cut_off_goes_on(
    tmp_path: Path, table: Table, finish: Callable[..., Path]
):
    finish("shapes_classifier/classifier/seed0", (0.9, 0.9, 0.9, 0.9))
    finish("shapes/fcn32s/seed0", (0.9, 0.5, 0.4, 0.8))
    (tmp_path / "shapes/fcn16s/seed0").mkdir(parents=True)
    steps = plan(table, "shapes", [0], tmp_path)
    to_do = [step for step in steps if not step.complete]
    common = ("seed=0", f"paths.runs={tmp_path}", "logger.group=table2-shapes")
    assert [step.overrides for step in to_do] == [
        ("experiment=shapes", "head=fcn32s_fixed", *common),
        ("experiment=shapes", "head=fcn16s", *common, "resume=true"),
        ("experiment=shapes", "head=fcn8s", *common),
    ]


def test_force_makes_all_of_them_again(tmp_path: Path, table: Table, finish: Callable[..., Path]):
    finish("shapes/fcn32s/seed0", (0.9, 0.5, 0.4, 0.8))
    (tmp_path / "shapes/fcn16s/seed0").mkdir(parents=True)
    steps = plan(table, "shapes", [0], tmp_path, force=True)
    assert len(steps) == 5
    assert not any(step.complete for step in steps)
    assert {step.overrides[-1] for step in steps} == {"overwrite=true"}
    assert not any("resume=true" in step.overrides for step in steps)


def test_what_follows_goes_to_every_run(table: Table):
    extra = ["classifier=vgg16.pth", "data.root=/photos"]
    steps = plan(table, "voc", [0], Path("runs"), extra=extra)
    assert [step.name for step in steps] == [f"voc/{row}/seed0" for row in ROWS]
    assert all(step.overrides[-2:] == tuple(extra) for step in steps)
    assert steps[1].needs == ()


def test_a_logger_without_groups_is_given_none(table: Table):
    steps = plan(table, "shapes", [0], Path("runs"), extra=["logger=csv"])
    assert not any(each.startswith("logger.group") for each in steps[0].overrides)


def test_unknown_data_is_refused(table: Table):
    with pytest.raises(ValueError, match="must be shapes or voc; got 'nyud'"):
        plan(table, "nyud", [0], Path("runs"))
