from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fcn_lightning.report.content import Content, gather
from fcn_lightning.report.intervals import Intervals
from fcn_lightning.runs.intervals import Difference
from fcn_lightning.tables.definitions import read_table
from fcn_lightning.tables.differences import RowDifference
from fcn_lightning.tables.records import read_records

Finish = Callable[..., Path]


def gathered(runs: Path, *tables: str) -> Content:
    return gather(runs, list(map(read_table, tables)), read_records(runs))


def test_ours_the_papers_and_the_difference_stand_together(filled: Path):
    (section,) = gathered(filled, "table2").sections
    assert (section.anchor, section.num_run, section.num_rows) == ("cvpr2015-table2-shapes", 2, 4)
    fixed, fcn32s, *_ = section.groups
    assert [line[:2] for line in fixed.lines] == [("ours", "not run"), ("paper", "83.0")]
    # The paper's FCN-32s: 89.1, 73.3, 59.4, 81.4.
    ours, paper, difference = fcn32s.lines
    assert ours[3] == "50.0 ± 14.1"
    assert paper[3] == "59.4"
    assert difference == ("difference", "+0.9", "-23.3", "-9.4", "-1.4", "ours - paper")
    assert section.best is not None
    assert section.best.title == "FCN-16s"
    assert section.left_out == ["not counted: runs/shapes/fcn8s/seed0: 4 of 100 images were scored"]


def test_runs_are_counted_once_and_tables_that_were_not_run_are_named(filled: Path):
    content = gathered(filled, "table2", "table4", "figure5")
    assert [each.table.id for each in content.sections] == ["cvpr2015/table2", "cvpr2015/figure5"]
    assert [each.table.id for each in content.not_run] == ["cvpr2015/table4"]
    assert (content.num_tables, content.num_counted, content.seconds) == ((2, 3), 3, 240.0)
    by_folder = {run.folder.parts[-2]: sections for run, sections in content.finished}
    assert [each.table.id for each in by_folder["fcn32s"]] == [
        "cvpr2015/table2",
        "cvpr2015/figure5",
    ]
    assert by_folder["fcn8s"] == []


def test_a_run_is_described_by_what_differs_from_the_first_row(filled: Path):
    (section,) = gathered(filled, "table2").sections
    one, other, fcn16s = section.runs
    assert (one.changes, other.changes) == (None, None)
    changes = {key: (theirs, ours) for key, theirs, ours in fcn16s.changes or []}
    assert changes["head.skips"] == ([], ["pool4"])
    assert "seed" not in changes
    facts = {fact.name: fact.values for fact in section.facts}
    assert facts["Precision"] == [("32-true", [])]


def test_facts_name_the_runs_that_they_hold_for(filled: Path, finish: Finish):
    lists = {"train": [{"list": "x", "count": 3, "sha256": "ab"}], "num_train": 3}
    finish("shapes/fcn16s/seed0", lists=lists, num_processes=2)
    (section,) = gathered(filled, "table2").sections
    facts = {fact.name: fact.values for fact in section.facts}
    assert facts["Training list"] == [("x, 3 images, SHA-256 ab", ["FCN-16s, seed 0"])]
    assert facts["Processes"][1] == ("2", ["FCN-16s, seed 0"])


def test_curves_are_over_steps_and_over_time(filled: Path):
    (section,) = gathered(filled, "table2").sections
    assert section.learning is not None
    titles = [chart.title for chart in section.learning.charts]
    assert titles == ["Training loss over steps", "Training loss over minutes"]
    assert section.learning.charts[0].words == (
        "First to last point: FCN-32s 2 to 0.5, FCN-16s 2 to 0.5."
    )
    folder = filled / "shapes/fcn16s/seed0"
    (folder / "metrics.csv").write_text("step,val/mean_iu\n10,0.1\n20,0.25\n")
    (section,) = gathered(filled, "table2").sections
    assert section.learning is not None
    assert section.learning.charts[2].words == "First to last point: FCN-16s 10 to 25."


def test_long_runs_are_drawn_over_hours(filled: Path, finish: Finish):
    finish("shapes/fcn32s/seed0", seconds=3e6)  # the losses end at step 3 of 450
    (section,) = gathered(filled, "table2").sections
    assert section.learning is not None
    assert section.learning.charts[1].title == "Training loss over hours"


def test_two_heads_are_shown_one_after_the_other(two_heads: Path):
    (section,) = gathered(two_heads, "table5").sections
    first, geo = section.heads
    assert (first.name, geo.name) == ("", "geo")
    assert [line.name for line in geo.lines] == ["x", "y", "z"]
    assert geo.confusions[0].percents[1] == [0, 17, 83]
    assert geo.examples is not None
    assert geo.examples.shown[-1].name == "c"
    assert {name: color for color, name in geo.legend} == {"y": "#800000", "z": "#008000"}


def test_an_axis_of_intervals_ends_at_the_largest_value():
    rows = [
        RowDifference("b", "a", 0, Difference(0.5, 0.4, 0.05, 0.2)),
        RowDifference("c", "b", 0, Difference(0.5, 0.5, -0.1, 0.1)),
    ]
    axis = Intervals(rows)
    assert (axis.reach, axis.num_sure) == (0.2, 1)
    assert [axis.place(value) for value in (-0.2, 0.0, 0.1)] == [0, 50, 75]
    assert (Intervals([]).reach, Intervals([]).num_sure) == (1, 0)


def test_seeds_on_other_images_are_an_error(filled: Path, finish: Finish):
    finish("shapes/fcn32s/seed1", num_images=50, split_size=50)
    with pytest.raises(ValueError, match="were scored on different images"):
        gathered(filled, "table2")


def test_records_without_any_file_beside_them_are_enough(runs: Path, finish: Finish):
    finish("shapes/fcn32s/seed0")
    (section,) = gathered(runs, "table2").sections
    assert section.learning is None
    (head,) = section.heads
    assert (head.confusions, head.examples, np.size(head.legend)) == ([], None, 0)
