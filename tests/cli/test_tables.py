import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fcn_lightning.cli import tables
from fcn_lightning.cli.errors import InputError
from fcn_lightning.tables.definitions import read_table
from fcn_lightning.tables.plan import plan


def table(*arguments: str | Path) -> Result:
    return CliRunner().invoke(tables.app, [str(each) for each in arguments])


def finish(folder: Path, mean_iu: float = 0.5) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    scores = {"pixel_acc": 0.9, "mean_acc": 0.6, "mean_iu": mean_iu, "fw_iu": 0.8, "loss": 0.3}
    record = {
        "format": 1, "seed": int(folder.name.removeprefix("seed")), "data": folder.parts[-3],
        "split": "voc/val", "num_images": 100, "scores": scores,
    }  # fmt: skip
    (folder / "scores.json").write_text(json.dumps(record))


class Starts:
    """In place of the processes: notes the commands, and finishes their runs but for some."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []
        self.failing: set[tuple[str, str]] = set()

    def __call__(self, command: Sequence[str]) -> int:
        self.commands.append(list(command))
        values = dict(each.split("=", 1) for each in command[3:])
        if (values["head"], values["seed"]) in self.failing:
            return 3
        finish(
            Path(values["paths.runs"])
            / values["experiment"]
            / values["head"]
            / f"seed{values['seed']}"
        )
        return 0

    @property
    def heads(self) -> list[str]:
        return [
            each.removeprefix("head=")
            for command in self.commands
            for each in command
            if "head=" in each
        ]


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> Starts:
    starts = Starts()
    monkeypatch.setattr(tables, "start", starts)
    return starts


def test_list_names_id_title_and_source():
    result = table("list")
    assert result.exit_code == 0
    assert result.stdout.startswith("table2  Skip architectures, from coarse to fine. Long, ")
    assert "Table 2 (arXiv:1411.4038), on seg11valid" in result.stdout


def test_json_is_alone_and_has_these_keys(tmp_path: Path):
    for seed, mean_iu in enumerate((0.5, 0.6, 0.7)):
        finish(tmp_path / f"shapes/fcn8s/seed{seed}", mean_iu)
    result = table("show", "table2", "--json", "--runs", tmp_path)
    rows = json.loads(result.stdout)
    assert [row["id"] for row in rows] == ["fcn32s_fixed", "fcn32s", "fcn16s", "fcn8s"]
    four = {"pixel_acc", "mean_acc", "mean_iu", "fw_iu"}
    for row in rows:
        assert set(row) == {"id", "title", "ours", "paper"}
        assert set(row["paper"]) == four
    assert rows[0]["ours"] is None
    ours = rows[3]["ours"]
    assert set(ours) == four | {"data", "split", "num_images", "seeds", "std"}
    assert set(ours["std"]) == four
    assert (ours["mean_iu"], ours["std"]["mean_iu"]) == pytest.approx((0.6, 0.1))
    assert (ours["data"], ours["seeds"]) == ("shapes", [0, 1, 2])
    assert rows[3]["paper"]["mean_iu"] == 0.627


def test_show_takes_the_data_that_is_named_or_has_most_rows(tmp_path: Path):
    finish(tmp_path / "voc/fcn8s/seed0")
    assert "voc, voc/val, 100 images, seed 0" in table("show", "table2", "--runs", tmp_path).stdout
    named = table("show", "table2", "--data", "shapes", "--runs", tmp_path)
    assert named.exit_code == 0
    assert "voc/val" not in named.stdout
    assert named.stdout.count("not run") == 4


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("show", "table7"), "A table must be one of table2; got 'table7'."),
        (("run", "table7"), "A table must be one of table2; got 'table7'."),
        (("show", "table2", "--data", "x"), "Data of table2 must be shapes or voc; got 'x'."),
        (
            ("run", "table2", "--seeds", "0,a"),
            "`--seeds` must be whole numbers with commas between; got '0,a'.",
        ),
    ],
)
def test_wrong_names_are_one_sentence_and_status_2(arguments: tuple[str, ...], sentence: str):
    result = table(*arguments)
    assert (result.exit_code, result.stderr) == (2, f"{sentence}\n")


def test_a_broken_file_is_one_sentence_and_status_2(tmp_path: Path, starts: Starts):
    finish(tmp_path / "shapes/fcn8s/seed0")
    (tmp_path / "shapes/fcn8s/seed0/scores.json").write_text("{")
    for verb in ("show", "run"):
        result = table(verb, "table2", "--runs", tmp_path)
        assert result.exit_code == 2
        assert "seed0/scores.json must be scores of format 1" in result.stderr
        assert len(result.stderr.splitlines()) == 1
    assert starts.commands == []


def test_run_trains_what_is_missing_and_a_second_call_nothing(tmp_path: Path, starts: Starts):
    finish(tmp_path / "shapes/fcn32s/seed0")
    result = table("run", "table2", "--seeds", "0", "--runs", tmp_path)
    assert result.exit_code == 0, result.output
    assert starts.heads == ["classifier", "fcn32s_fixed", "fcn16s", "fcn8s"]
    assert starts.commands[0] == [
        sys.executable, "-m", "fcn_lightning.cli.train", "experiment=shapes_classifier",
        "head=classifier", "seed=0", f"paths.runs={tmp_path}", "logger.group=table2-shapes",
    ]  # fmt: skip
    assert "5 runs: 1 complete, 4 to do." in result.stdout
    assert "[2 of 4] fcn-train experiment=shapes head=fcn32s_fixed seed=0" in result.stdout
    assert f"Written: {tmp_path}/tables/table2-shapes.md\n" in result.stdout
    assert "| FCN-8s | ours | 90.0 |" in (tmp_path / "tables/table2-shapes.md").read_text()

    again = table("run", "table2", "--seeds", "0", "--runs", tmp_path)
    assert again.exit_code == 0
    assert len(starts.commands) == 4
    assert "5 runs: 5 complete, 0 to do." in again.stdout
    assert "FCN-8s" in again.stdout


def test_a_failure_stops_only_what_needs_it(tmp_path: Path, starts: Starts):
    starts.failing = {("fcn32s", "0")}
    result = table("run", "table2", "--seeds", "0,1", "--runs", tmp_path)
    assert result.exit_code == 1
    assert starts.heads == [
        "classifier", "fcn32s_fixed", "fcn32s",
        "classifier", "fcn32s_fixed", "fcn32s", "fcn16s", "fcn8s",
    ]  # fmt: skip
    assert result.stdout.splitlines()[-4:] == [
        "3 of 10 runs failed:",
        "  shapes/fcn32s/seed0: exit status 3",
        f"  shapes/fcn16s/seed0: not started, for it needs {tmp_path}/shapes/fcn32s/seed0",
        f"  shapes/fcn8s/seed0: not started, for it needs {tmp_path}/shapes/fcn16s/seed0",
    ]
    assert (tmp_path / "tables/table2-shapes.md").is_file()


def test_what_does_not_compose_is_told_before_the_first_run(tmp_path: Path, starts: Starts):
    result = table("run", "table2", "--data", "voc", "--runs", tmp_path)
    assert result.exit_code == 2
    assert "classifier=FILE" in result.stderr
    assert starts.commands == []


def test_what_follows_two_dashes_goes_to_every_run(tmp_path: Path, starts: Starts):
    extra = ["classifier=vgg16.pth", "data.root=photos"]
    result = table(
        "run", "table2", "--data", "voc", "--seeds", "0", "--runs", tmp_path, "--", *extra
    )
    assert result.exit_code == 0, result.output
    assert starts.heads == ["fcn32s_fixed", "fcn32s", "fcn16s", "fcn8s"]
    assert all(command[-2:] == extra for command in starts.commands)


@pytest.mark.parametrize("extra", ["recipe.max_steps=3", "seed=4", "head=fcn8s"])
def test_what_would_make_other_runs_is_refused(tmp_path: Path, extra: str):
    steps = plan(read_table("table2"), "shapes", [0], tmp_path, extra=[extra])
    with pytest.raises(
        InputError, match=r"must leave the runs what the table says; .* Run a variant"
    ):
        tables.check(steps)


def test_every_run_of_the_table_lies_where_it_is_read(tmp_path: Path):
    tables.check(plan(read_table("table2"), "shapes", [0, 1], tmp_path))


def test_a_run_is_offline_and_its_status_is_returned():
    code = "import os, sys; sys.exit(7 if os.environ['WANDB_MODE'] == 'offline' else 1)"
    assert tables.start([sys.executable, "-c", code]) == 7


def test_a_stop_waits_for_the_run_and_ends_with_the_signals_status(tmp_path: Path):
    code = (
        "import os, pathlib, signal, sys, time\n"
        "def save(*_):\n"
        f"    pathlib.Path('{tmp_path}/saved').touch()\n"
        "    sys.exit()\n"
        "signal.signal(signal.SIGTERM, save)\n"
        "os.kill(os.getppid(), signal.SIGTERM)\n"
        "time.sleep(60)\n"
    )
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as stopped:
        tables.start([sys.executable, "-c", code])
    assert stopped.value.code == 143
    assert (tmp_path / "saved").exists()
    assert signal.getsignal(signal.SIGTERM) is before
    assert os.environ.get("WANDB_MODE") != "offline"
