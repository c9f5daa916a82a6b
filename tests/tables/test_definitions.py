from pathlib import Path

import pytest
import yaml

from fcn_lightning.runs.compose import compose
from fcn_lightning.runs.run import read_run
from fcn_lightning.tables import definitions
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


def test_a_rows_overrides_name_the_folder_in_which_it_is_trained():
    rows = read_table("table2").rows
    composed = [compose(["experiment=shapes", *row.overrides]) for row in rows]
    assert [read_run(each, each.hydra).variant for each in composed] == [
        "fcn32s_fixed", "fcn32s", "fcn16s", "fcn8s",
    ]  # fmt: skip
    assert [row.id for row in rows] == ["fcn32s_fixed", "fcn32s", "fcn16s", "fcn8s"]


def test_unknown_names_are_refused_with_the_known_ones():
    assert table_ids() == ["cvpr2015/table2"]
    with pytest.raises(
        ValueError, match=r"^Unknown table 'table9'\. Choose from cvpr2015/table2\.$"
    ):
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
