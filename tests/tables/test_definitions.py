from pathlib import Path

import pytest
import yaml

from fcn_lightning.runs.compose import compose
from fcn_lightning.runs.run import read_run
from fcn_lightning.tables import definitions
from fcn_lightning.tables.columns import column
from fcn_lightning.tables.criterion import criteria
from fcn_lightning.tables.definitions import experiments_dir, read_table, table_ids


def test_table2_holds_the_numbers_that_the_paper_prints():
    printed = {
        "FCN-32s-fixed": [0.830, 0.597, 0.454, 0.720],
        "FCN-32s": [0.891, 0.733, 0.594, 0.814],
        "FCN-16s": [0.900, 0.757, 0.624, 0.830],
        "FCN-8s": [0.903, 0.759, 0.627, 0.832],
    }
    table = read_table("table2")
    assert {row.title: [row.paper.value(c) for c in table.columns] for row in table.rows} == printed
    assert str(table.source).endswith("CVPR 2015, Table 2 (arXiv:1411.4038), on seg11valid")
    assert list(table.data) == ["shapes", "voc"]
    assert [table.data[name].free for name in ("shapes", "voc")] == [
        [],
        ["classifier", "normalize"],
    ]


PRINTED = {
    "cvpr2015/table1": {
        "alexnet": (39.8, None, 50.0, 8.0, 57e6, 355.0, None, 32.0),
        "vgg16": (56.0, None, 210.0, 16.0, 134e6, 404.0, None, 32.0),
        "googlenet": (42.5, None, 59.0, 22.0, 6e6, None, 907.0, 32.0),
    },
    "cvpr2015/table3": {
        "rcnn": (None, 47.9, None, None, None), "sds": (None, 52.6, 51.6, None, 50e3),
        "fcn8s": (None, 62.7, 62.2, None, 175.0),
    },
    "cvpr2015/table6": {
        "o2p": (None, None, 18.1, None), "cfm": (None, None, 31.5, None),
        "fcn32s": (63.8, 42.7, 31.8, 48.3), "fcn16s": (65.7, 46.2, 34.8, 50.7),
        "fcn8s": (65.9, 46.5, 35.1, 51.0),
        "o2p_33": (None, None, 29.2, None), "cfm_33": (None, None, 46.1, None),
        "fcn32s_33": (69.8, 65.1, 50.4, 54.9), "fcn16s_33": (71.8, 68.0, 53.4, 57.5),
        "fcn8s_33": (71.8, 67.6, 53.5, 57.7),
    },
    "pami2016/voc_test": {"fcn8s": (None, 67.5, 67.2, None, 100.0)},
    "upper_bounds": {
        "stride128": (50.9,) * 3, "stride64": (73.3,) * 3, "stride32": (86.1,) * 3,
        "stride16": (92.8,) * 3, "stride8": (96.4,) * 3, "stride4": (98.5,) * 3,
    },
    "cvpr2015/table4": {
        "gupta": (60.3, None, 28.6, 47.0), "rgb": (60.0, 42.2, 29.2, 43.9),
        "rgbd": (61.5, 42.4, 30.5, 45.5), "hha": (57.1, 35.2, 24.2, 40.4),
        "rgb_hha": (64.3, 44.9, 32.8, 48.0), "rgb_hha_16s": (65.4, 46.1, 34.0, 49.5),
    },
    "cvpr2015/table5": {
        "liu": (76.7, None, None, None, None), "tighe_geo": (None, None, None, None, 90.8),
        "tighe1": (75.6, 41.1, None, None, None), "tighe2": (78.6, 39.2, None, None, None),
        "farabet1": (72.3, 50.8, None, None, None), "farabet2": (78.5, 29.6, None, None, None),
        "pinheiro": (77.7, 29.8, None, None, None),
        "fcn16s": (85.2, 51.7, 39.5, 76.1, 94.3),
    },
    "pami2016/nyud": {
        "rgb": (61.8, 44.7, 31.6, 46.0), "rgbd": (62.1, 44.8, 31.7, 46.3),
        "hha": (58.3, 35.7, 25.2, 41.7), "rgb_hha": (65.3, 44.0, 33.3, 48.6),
    },
    "pami2016/siftflow": {"fcn8s": (85.9, 53.9, 41.2, 77.2, 94.6)},
    "pami2016/context": {
        "o2p": (None, None, 18.1, None), "cfm": (None, None, 31.5, None),
        "fcn32s": (65.5, 49.1, 36.7, 50.9), "fcn16s": (66.9, 51.3, 38.4, 52.3),
        "fcn8s": (67.5, 52.3, 39.1, 53.0),
    },
    "pami2016/optimization": {
        "accum": (86.0, 66.5, 51.9, 76.5), "online": (89.3, 76.2, 60.7, 81.8),
        "heavy": (90.5, 76.5, 63.6, 83.5),
    },
    "pami2016/skips": {
        "fcn32s": (90.5, 76.5, 63.6, 83.5), "fcn16s": (91.0, 78.1, 65.0, 84.3),
        "fcn8s_at_once": (91.1, 78.5, 65.4, 84.4), "fcn8s": (91.2, 77.6, 65.5, 84.5),
        "fcn32s_fixed": (82.9, 64.6, 46.6, 72.3), "pool5": (87.4, 60.5, 50.0, 78.5),
        "pool4": (78.7, 31.7, 22.4, 67.0), "pool3": (70.9, 13.7, 9.2, 57.6),
    },
    "pami2016/masking": {
        "reference": (84.8,), "reference_fg": (81.0,), "reference_bg": (19.8,), "fg_only": (76.1,),
        "bg_only": (37.8,), "shape": (29.1,),
    },
    "pami2016/more_data": {
        "fcn32s_1112": (57.7,), "fcn32s_8498": (63.6,), "alexnet_1112": (39.8,),
        "alexnet_8498": (48.0,),
    },
}  # fmt: skip
"""The papers' numbers in percent, by row, in the order of the columns."""

CHECKED = {
    "heavy", "fcn32s", "fcn16s", "fcn8s_at_once", "fcn8s", "fcn32s_8498", "alexnet_8498",
}  # fmt: skip
"""Rows of PAMI 2016 whose numbers others have confirmed, but in the tables of other data."""


def in_percent(name: str, value: float) -> float:
    """Scores in percent; other values as they are."""
    is_score = column(name).kind in ("score", "bound", "entered")
    return round(100 * value, 6) if is_score else value


@pytest.mark.parametrize("name", PRINTED)
def test_tables_hold_the_numbers_that_the_papers_print(name: str):
    table = read_table(name)
    found = {
        row.id: tuple(
            None if (value := row.paper.value(name)) is None else in_percent(name, value)
            for name in table.columns
        )
        for row in table.rows
    }
    assert found == PRINTED[name]
    on_voc = "voc" in table.data
    recalled = {
        row.id for row in table.rows if name.startswith("pami2016") and not
        (on_voc and row.id in CHECKED)
    }  # fmt: skip
    recalled |= {"fcn8s"} if name == "pami2016/voc_test" else set()
    assert {row.id for row in table.rows if row.paper.recalled} == recalled


@pytest.mark.parametrize("name", table_ids())
def test_every_row_is_a_command_that_composes(name: str):
    table = read_table(name)
    for data in table.data:
        runs = criteria(table, data)
        of_rows = {row.id for row in table.rows if table.run_of(row, data)}
        assert set(runs.rows) == of_rows
        assert any(table.columns_of(row, data) for row in table.rows)
        heads = [(each.expected.experiment, each.expected.head) for each in runs.rows.values()]
        assert len(runs.before) == len(table.on(data).before)
        for criterion in runs.rows.values() if runs.before else ():
            assert criterion.starts, f"{name} on {data} starts from nothing of the table: {heads}"


def test_a_rows_overrides_name_the_folder_in_which_it_is_trained():
    rows = read_table("table2").rows
    composed = [compose(["experiment=shapes", *row.overrides]) for row in rows]
    assert [read_run(each, each.hydra).variant for each in composed] == [
        "fcn32s_fixed", "fcn32s", "fcn16s", "fcn8s",
    ]  # fmt: skip
    assert [row.id for row in rows] == ["fcn32s_fixed", "fcn32s", "fcn16s", "fcn8s"]


def test_unknown_names_are_refused_with_the_known_ones():
    assert table_ids()[0] == "cvpr2015/claims"
    choices = r"^Unknown table 'table9'\. Choose from cvpr2015/claims, .*, upper_bounds\.$"
    with pytest.raises(ValueError, match=choices):
        read_table("table9")
    message = r"^cvpr2015/table2 has no data set 'nyud'\. Use `--data shapes` or `--data voc`\.$"
    with pytest.raises(ValueError, match=message):
        read_table("table2").on("nyud")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"color": "red"}, r"table2\.yaml is not a table; `color`: Extra inputs"),
        ({"rows": []}, "`rows`: List should have at least 1 item"),
        ({"title": None}, "`title`: Input should be a valid string"),
    ],
)
def test_a_file_that_is_no_table_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, object], message: str
):
    write_changed(tmp_path, monkeypatch, change)
    with pytest.raises(ValueError, match=message):
        read_table("table2")


def test_a_paper_number_in_percent_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    rows = content()["rows"]
    rows[0]["paper"]["mean_iu"] = 45.4
    write_changed(tmp_path, monkeypatch, {"rows": rows})
    with pytest.raises(ValueError, match=r"`rows\.0\.paper\.mean_iu`: .*less than or equal to 1"):
        read_table("table2")


def test_rows_have_different_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_changed(tmp_path, monkeypatch, {"rows": [*content()["rows"], content()["rows"][1]]})
    with pytest.raises(ValueError, match="two rows have the id fcn32s"):
        read_table("table2")


def content() -> dict:
    return yaml.safe_load((experiments_dir() / "cvpr2015" / "table2.yaml").read_text())


def write_changed(folder: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, object]):
    (folder / "cvpr2015").mkdir()
    (folder / "cvpr2015" / "table2.yaml").write_text(yaml.safe_dump(content() | change))
    monkeypatch.setattr(definitions, "experiments_dir", lambda: folder)
