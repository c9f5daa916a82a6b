import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fcn_lightning.cli import runs as command

Finish = Callable[..., Path]


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command.app, [str(each) for each in arguments])


@pytest.fixture
def three(finish: Finish) -> None:
    finish("shapes/fcn32s/seed0", (0.9, 0.5, 0.4, 0.8), seconds=1800.0)
    finish("shapes/fcn32s/seed1", (0.9, 0.5, 0.7, 0.8))
    finish("voc/fcn32s/seed0", (0.9, 0.5, 0.6, 0.8))


@pytest.mark.usefixtures("three")
def test_runs_are_filtered_and_sorted():
    rows = json.loads(call("list", "--json", "--sort", "mean_iu").stdout)
    assert [row["mean_iu"] for row in rows] == [0.7, 0.6, 0.4]
    assert (rows[2]["hours"], rows[2]["path"]) == (0.5, "runs/shapes/fcn32s/seed0")
    rows = json.loads(call("list", "--json", "--experiment", "voc", "--state", "done").stdout)
    assert [row["path"] for row in rows] == ["runs/voc/fcn32s/seed0"]
    assert json.loads(call("list", "--json", "--state", "stopped").stdout) == []


@pytest.mark.usefixtures("three")
def test_the_list_for_people_has_a_line_for_each_run():
    result = call("list")
    lines = [line.split() for line in result.stdout.splitlines() if line.startswith("  runs/")]
    assert lines[0][:6] == ["runs/shapes/fcn32s/seed0", "done", "450", "of", "450", "40.0"]
    assert len(lines) == 3
    assert result.stdout.splitlines()[-1].startswith("3 runs, ")


@pytest.mark.usefixtures("three")
def test_a_run_is_shown_in_one_screen():
    lines = [
        line.split(maxsplit=1) for line in call("show", "voc/fcn32s/seed0").stdout.splitlines()
    ]
    shown = {line[0]: line[-1] for line in lines}
    assert (shown["mean_iu"], shown["state"], shown["seconds"]) == ("60.00", "done", "60")
    assert shown["scored"] == "on    voc, voc/val, 100 images"
    assert len(lines) < 40


@pytest.mark.usefixtures("three")
def test_removing_asks_or_takes_yes():
    refused = call("rm", "voc/fcn32s/seed0")
    assert (refused.exit_code, refused.stderr) == (
        2,
        "Removing needs an answer on a terminal, or --yes.\n",
    )
    assert Path("runs/voc/fcn32s/seed0").is_dir()
    removed = call("rm", "voc/fcn32s/seed0", "shapes/fcn32s/seed1", "--yes")
    assert removed.exit_code == 0, removed.output
    assert removed.stdout.splitlines()[0] == "runs/voc/fcn32s/seed0: done, step 100000"
    assert removed.stdout.splitlines()[-1].startswith("Removed: 2 runs, ")
    assert [path.parent.name for path in Path("runs").rglob("scores.json")] == ["seed0"]
