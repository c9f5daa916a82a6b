import json
from pathlib import Path

import pytest

from dashboards import described
from fcn_lightning.dashboards import outline
from fcn_lightning.dashboards.papers import lab_note, numbers
from fcn_lightning.dashboards.row_runs import check_given, run_sets, variant
from fcn_lightning.dashboards.table_report import table_report
from fcn_lightning.dashboards.workspace import pictures_below, workspace
from fcn_lightning.tables.definitions import read_table
from fcn_lightning.tables.plan import Wanted, plan
from fcn_lightning.tables.records import Records

COMMITTED = Path(__file__).parent / "specifications.json"


def test_what_is_sent_is_what_was_committed():
    table = read_table("table2")
    sent = {
        "workspace": described.sections(
            outline.specification(workspace([table], "me", "fcn", ["scene0"]))
        ),
        "table2": described.blocks(outline.specification(table_report(table, "me", "fcn"))),
    }
    assert sent == json.loads(COMMITTED.read_text())


@pytest.mark.parametrize(
    ("name", "data", "given"),
    [
        ("figure5", "shapes", []),
        ("table2", "voc", ["classifier=vgg16.pth", "data.root=photos"]),
    ],
)
@pytest.mark.usefixtures("composing_once")
def test_filters_name_the_variants_of_the_planned_runs(
    name: str, data: str, given: list[str], runs: Path
):
    Path("vgg16.pth").touch()
    table = read_table(name)
    planned = plan(Wanted(table, data, [0], runs, given), Records())
    of_rows = [(each.run.experiment, each.run.variant) for each in planned if each.is_wanted]
    found = [
        described.filters(json.loads(each._to_model().model_dump_json(by_alias=True)))
        for each in run_sets(table, data, given)
    ]
    assert [(each["experiment"], each["variant"]) for each in found] == of_rows


def test_a_row_without_a_head_has_that_of_its_experiment():
    table = read_table("cvpr2015/table5")
    (stage,) = (stage for row in table.rows if (stage := table.run_of(row, "shapes")))
    assert stage.overrides == []
    assert variant(stage, ["classifier=x.pth"]) == "fcn8s_at_once"


def test_subset_scores_and_other_heads_have_the_names_that_runs_log():
    blocks = described.blocks(
        outline.specification(table_report(read_table("cvpr2015/table5"), "me", "fcn"))
    )
    panels = dict(zip(blocks[1::3], blocks[3::3]))
    assert [panel[1] for panel in panels["Runs on siftflow"][3:]] == [
        "test/pixel_acc", "test/mean_acc", "test/mean_iu_subset", "test/fw_iu",
        "test/geo/pixel_acc",
    ]  # fmt: skip


def test_the_papers_numbers_stand_there_in_percent_and_recalled_ones_are_marked():
    lines = numbers(read_table("table2")).splitlines()
    assert lines[5] == "| FCN-8s | 90.3 | 75.9 | 62.7 | 83.2 | seg11valid |"
    lines = numbers(read_table("optimization")).splitlines()
    assert lines[2] == "| FCN-accum | 86.0* | 66.5* | 51.9* | 76.5* | seg11valid |"
    assert lines[4] == "| FCN-heavy | 90.5 | 76.5 | 63.6 | 83.5 | seg11valid |"
    assert lines[-1].endswith("* Recalled; not checked against the paper.")


def test_the_head_comment_keeps_its_columns():
    lines = lab_note(read_table("table2")).splitlines()
    assert lines[0] == "The skip architectures: what each finer stream adds."
    assert lines[3] == "Paper:      CVPR 2015, 4.2, Table 2."
    assert lines[-1] == "```"


def test_images_are_those_of_finished_runs(tmp_path: Path):
    for run, name in (("a/fcn8s/seed0", "1.5"), ("b/fcn8s/seed0", "x"), ("b/fcn8s/seed1", "x")):
        folder = tmp_path / "runs" / run / "pictures"
        folder.mkdir(parents=True)
        (folder / f"{name}.prediction.png").touch()
        (folder / f"{name}.geo.prediction.png").touch()
        (folder / f"{name}.png").touch()
    assert pictures_below(tmp_path / "runs") == ["1.5", "x"]


def test_an_override_that_no_run_of_a_table_has_is_refused():
    table = read_table("table2")
    check_given([table], ["classifier=x.pth", "data.root=photos"])
    with pytest.raises(ValueError, match=r"no run of these tables\. Use classifier or normalize"):
        check_given([table], ["recipe.lr=3"])
