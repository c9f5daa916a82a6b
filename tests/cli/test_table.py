import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from fcn_lightning.cli import table as command
from fcn_lightning.launch.job import Job
from fcn_lightning.tables import cost, measuring, training

pytestmark = pytest.mark.usefixtures("composing_once")

Finish = Callable[..., Path]


def table(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command.app, [str(each) for each in arguments])


class Sweeps:
    """In place of LocalSweep: notes the jobs, and finishes their runs but for some."""

    def __init__(self, finish: Finish) -> None:
        self.finish = finish
        self.jobs: list[Job] = []
        self.failing: set[str] = set()
        self.stopped = False
        self.environment: dict[str, str] = {}

    def __call__(
        self, folder: Path, slots: Any, environment: dict[str, str], remaining: Any
    ) -> "Sweeps":
        self.folder, self.environment, self.remaining = folder, environment, remaining
        return self

    def run(self, jobs: Sequence[Job]) -> None:
        self.jobs += jobs
        if self.stopped:
            raise SystemExit(130)
        for job in jobs:
            if broken := [each for each in job.after if each.state != "done"]:
                job.state, job.why = "not started", f"{broken[0].run.name} {broken[0].state}"
            elif job.run.name in self.failing:
                job.state, job.why = "failed", "status 3, see 0.log"
            else:
                job.state = "done"
                self.finish(f"{job.run.experiment}/{job.run.name}", (0.9, 0.6, 0.5, 0.8))

    @property
    def heads(self) -> list[str]:
        return [job.run.head for job in self.jobs]


@pytest.fixture
def sweeps(monkeypatch: pytest.MonkeyPatch, finish: Finish) -> Sweeps:
    sweeps = Sweeps(finish)
    monkeypatch.setattr(training, "LocalSweep", sweeps)
    monkeypatch.setattr(training, "step_seconds", lambda run, images: (1.0, 0.0))
    monkeypatch.setattr(training, "drawing_seconds", lambda run: 0.0)
    return sweeps


def test_list_names_id_title_and_source():
    result = table("list")
    assert result.exit_code == 0
    assert "cvpr2015/table2  Skip architectures, from coarse to fine. Long, " in result.stdout
    assert "Table 2 (arXiv:1411.4038), on seg11valid" in result.stdout


def test_json_is_alone_and_has_these_keys(runs: Path, finish: Finish):
    for seed, mean_iu in enumerate((0.5, 0.6, 0.7)):
        finish(f"shapes/fcn8s/seed{seed}", (0.9, 0.6, mean_iu, 0.8))
    smoke = finish("shapes/fcn32s/seed0", config={"init_from": None})
    result = table("show", "table2", "--json", "--runs", runs)
    assert result.stderr == f"not counted: {smoke}: init_from is None, not default\n"
    rows = json.loads(result.stdout)
    assert [row["id"] for row in rows] == ["fcn32s_fixed", "fcn32s", "fcn16s", "fcn8s"]
    four = {"pixel_acc", "mean_acc", "mean_iu", "fw_iu"}
    for row in rows:
        assert set(row) == {"id", "title", "ours", "paper"}
        assert set(row["paper"]) == four
    assert rows[0]["ours"] is None
    assert rows[1]["ours"] is None
    ours = rows[3]["ours"]
    added = {"steps", "precision", "num_processes", "commits", "free", "runs", "heads", "seconds"}
    assert set(ours) == four | {"data", "split", "num_images", "seeds", "std"} | added
    assert set(ours["std"]) == four
    assert (ours["mean_iu"], ours["std"]["mean_iu"]) == pytest.approx((0.6, 0.1))
    assert (ours["data"], ours["seeds"]) == ("shapes", [0, 1, 2])
    assert rows[3]["paper"]["mean_iu"] == 0.627


def test_list_states_steps_and_an_estimate(runs: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cost, "step_seconds", lambda run, images: (2.0, 0.5))
    line = table("list", "table2", "--cost", "--runs", runs).stdout.splitlines()[1]
    steps = 600 + 4 * 450
    seconds = 5 * 10 + 2 * steps + 5 * 2 * 120 * 0.5  # starts, steps, and 120 images scored twice
    assert line == (
        f"  --data shapes: 0 of 4 rows done; {steps:,} steps, about {seconds / 3600:.1f} h for a "
        "seed"
    )


def test_run_takes_every_table_of_the_data(runs: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(measuring, "forward_seconds", lambda *_: 0.04)
    result = table("run", "--all", "--data", "networks", "--runs", runs)
    assert [path.name for path in (runs / "tables").glob("*.md")] == [
        "cvpr2015-table1-networks.md"
    ], result.output
    shown = " ".join(result.stdout.split())
    assert "FCN-GoogLeNet ours 40 not run 22 6M 715 907 32" in shown
    assert "runs: " not in shown


def test_scores_of_a_test_server_are_entered_with_their_date(runs: Path):
    arguments = ("table3", "fcn8s", "voc2012_test=62.3", "--date", "2026-11-28", "--runs", runs)
    result = table("enter", *arguments)
    assert (result.exit_code, result.output) == (
        0,
        f"Written: {runs}/tables/cvpr2015-table3-fcn8s-voc-entered.values.json\n",
    )
    shown = table("show", "table3", "--data", "voc", "--runs", runs)
    (ours,) = (line for line in shown.stdout.splitlines() if "FCN-8s" in line)
    assert " ".join(ours.split()) == "FCN-8s ours not run not run 62.3 not run not run"
    assert "the test server's answer of 2026-11-28, entered by hand" in shown.stdout
    row = json.loads(table("show", "table3", "--data", "voc", "--json", "--runs", runs).stdout)[-1]
    assert row["ours"]["values"] == {"voc2012_test": 0.623}


def test_show_takes_the_data_that_is_named_or_has_most_rows(runs: Path, finish: Finish):
    finish("voc/fcn8s/seed0")
    assert "voc, voc/val, 100 images, seed 0" in table("show", "table2", "--runs", runs).stdout
    named = table("show", "table2", "--data", "shapes", "--runs", runs)
    assert named.exit_code == 0
    assert "voc/val" not in named.stdout
    assert named.stdout.count("not run") == 4


def test_show_names_smoke_tests_beside_a_real_run(runs: Path, finish: Finish):
    finish("shapes/fcn32s/seed1", (0.9, 0.6, 0.487, 0.8))
    high = (0.967, 0.9, 0.9, 0.9)
    scratch = finish("shapes/fcn32s/seed0", high, {"init_from": None})
    fast = finish(
        "shapes/fcn32s-fast/seed0", high, {"trainer.fast_dev_run": True}, num_images=1, step=1
    )
    limited = finish(
        "shapes/fcn32s-limit_test_batches-1/seed0", high, {"trainer.limit_test_batches": 1}
    )
    finish("debug/shapes/fcn32s/seed0", high, debug="fdr")
    result = table("show", "table2", "--runs", runs)
    assert result.exit_code == 0
    assert "90.0         60.0        48.7" in result.stdout
    assert "96.7" not in result.stdout
    assert result.stdout.splitlines()[-3:] == [
        f"not counted: {scratch}: init_from is None, not default",
        f"not counted: {fast}: trainer.fast_dev_run is True, not False",
        f"not counted: {limited}: trainer.limit_test_batches is 1, not None",
    ]


def test_a_broken_file_is_named_and_not_overwritten(runs: Path, sweeps: Sweeps, finish: Finish):
    folder = finish("shapes/fcn8s/seed0")
    (folder / "scores.json").write_text("{")
    shown = table("show", "table2", "--runs", runs)
    assert shown.exit_code == 0
    assert f"not counted: {folder}: not a record of format 2 (Invalid JSON" in shown.stdout
    result = table("run", "table2", "--seeds", "0", "--runs", runs)
    assert result.exit_code == 2
    assert result.stderr.startswith(
        f"{folder} holds a finished run that does not count for cvpr2015/table2"
    )
    assert len(result.stderr.splitlines()) == 1
    assert sweeps.jobs == []
    assert (folder / "scores.json").read_text() == "{"


def test_run_trains_what_is_missing_and_a_second_call_nothing(
    runs: Path, sweeps: Sweeps, finish: Finish
):
    finish("shapes/fcn32s/seed0")
    result = table("run", "table2", "--seeds", "0", "--runs", runs)
    assert result.exit_code == 0, result.output
    assert sweeps.heads == ["classifier", "fcn32s_fixed", "fcn16s", "fcn8s"]
    assert sweeps.jobs[0].command[1:] == [
        "-m", "fcn_lightning.cli.train", "experiment=shapes_classifier",
        "tags=[cvpr2015/table2,classifier]", "head=classifier", "seed=0", f"paths.runs={runs}",
        "resume=auto", "hydra.mode=RUN",
    ]  # fmt: skip
    assert "5 runs: 1 complete, 4 to do." in result.stdout
    assert f"Written: {runs}/tables/cvpr2015-table2-shapes.md\n" in result.stdout
    assert "| FCN-8s | ours | 90.0 |" in (runs / "tables/cvpr2015-table2-shapes.md").read_text()

    again = table("run", "table2", "--seeds", "0", "--runs", runs)
    assert again.exit_code == 0
    assert len(sweeps.jobs) == 4
    assert "5 runs: 5 complete, 0 to do." in again.stdout
    assert "Estimate" not in again.stdout
    assert "FCN-8s" in again.stdout


def test_an_estimate_for_the_whole_command_is_printed_first(runs: Path, sweeps: Sweeps):
    result = table("run", "table2", "--seeds", "0", "--runs", runs)
    steps = sum(job.run.recipe.max_steps for job in sweeps.jobs)  # of a second each
    assert sweeps.remaining(sweeps.jobs) == 0
    (line,) = (each for each in result.stdout.splitlines() if each.startswith("Estimate"))
    words, minutes = line.split(), float(line.split()[2])
    assert line == f"Estimate: about {words[2]} min for 5 runs (from timed steps on this machine)"
    assert steps / 60 - 1 < minutes < steps / 60 + 5  # and five times the start of a process


def test_without_memory_for_a_step_there_is_no_estimate(
    runs: Path, sweeps: Sweeps, monkeypatch: pytest.MonkeyPatch
):
    def too_large(run: object, images: object) -> None:
        raise RuntimeError("out of memory\nmore")

    monkeypatch.setattr(training, "step_seconds", too_large)
    result = table("run", "table2", "--seeds", "0", "--runs", runs)
    assert result.exit_code == 0
    assert "No estimate: out of memory\n" in result.stdout
    assert len(sweeps.jobs) == 5


def test_runs_are_a_sweep_of_their_own_with_wandb_offline(runs: Path, sweeps: Sweeps):
    table("run", "table2", "--seeds", "0", "--runs", runs)
    assert sweeps.environment == {
        "WANDB_MODE": "offline",
        "WANDB_RUN_GROUP": "cvpr2015-table2-shapes",
    }
    assert sweeps.folder.parent == runs / "sweeps"
    assert sweeps.folder.name.startswith("cvpr2015-table2-shapes-")


def test_a_failure_stops_only_what_needs_it(runs: Path, sweeps: Sweeps):
    sweeps.failing = {"fcn32s/seed0"}
    result = table("run", "table2", "--seeds", "0,1", "--runs", runs)
    assert result.exit_code == 1
    assert [job.run.head for job in sweeps.jobs if job.state != "not started"] == [
        "classifier", "fcn32s_fixed", "fcn32s",
        "classifier", "fcn32s_fixed", "fcn32s", "fcn16s", "fcn8s",
    ]  # fmt: skip
    assert result.stdout.splitlines()[-4:] == [
        "3 of 10 runs failed:",
        "  shapes/fcn32s/seed0: failed, status 3, see 0.log",
        "  shapes/fcn16s/seed0: not started, fcn32s/seed0 failed",
        "  shapes/fcn8s/seed0: not started, fcn16s/seed0 not started",
    ]
    assert (runs / "tables/cvpr2015-table2-shapes.md").is_file()


@pytest.mark.parametrize(("force", "without"), [([], ""), (["--force"], " without --force")])
def test_after_a_stop_the_last_line_says_how_to_continue(
    runs: Path, sweeps: Sweeps, force: list[str], without: str
):
    sweeps.stopped = True
    result = table("run", "table2", "--seeds", "0", "--runs", runs, *force)
    assert result.exit_code == 130
    last = result.output.splitlines()[-1]
    assert last == f"Run the same command again{without} to continue."


def test_a_start_that_is_not_named_is_told_before_the_first_run(runs: Path, sweeps: Sweeps):
    result = table("run", "table2", "--data", "voc", "--runs", runs, "--", "data.root=photos")
    assert result.exit_code == 2
    assert "classifier=FILE" in result.stderr
    assert sweeps.jobs == []


def test_what_follows_two_dashes_goes_to_every_run(runs: Path, sweeps: Sweeps):
    Path("vgg16.pth").touch()
    extra = ["classifier=vgg16.pth", "data.root=photos"]
    arguments = ("run", "table2", "--data", "voc", "--seeds", "0", "--runs", runs, "--")
    result = table(*arguments, *extra)
    assert sweeps.heads == ["fcn32s_fixed", "fcn32s", "fcn16s", "fcn8s"], result.output
    assert all(job.arguments[-4:-2] == tuple(extra) for job in sweeps.jobs)


def test_overrides_that_change_a_row_are_one_sentence(runs: Path, sweeps: Sweeps):
    result = table("run", "table2", "--runs", runs, "--", "recipe.max_steps=3")
    assert (result.exit_code, sweeps.jobs) == (2, [])
    assert result.stderr.startswith("`recipe.max_steps=3` changes the runs of cvpr2015/table2: ")
    assert result.stderr.endswith(". Train a variant with fcn-train.\n")
    assert len(result.stderr.splitlines()) == 1
