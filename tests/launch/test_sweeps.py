"""Sweeps: stages, failures, resuming; a killed process that Lightning started, and Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

import warm
from cluster.processes import wait_until
from fcn_lightning.launch.job import SweepFile
from fcn_lightning.runs.folder import locked
from fcn_lightning.runs.run import compose_run
from integration.test_commands import OFFLINE, records
from launch.forked import fork_jobs

Tiny = Callable[..., list[str]]
Start = Callable[..., warm.Started]

DDP = ("trainer=ddp_cpu", "trainer.devices=2")
LONG = ("recipe.max_steps=100000", "recipe.val_every=100000", "augment.crop=64")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts sweeps; those that still run after the test are stopped."""
    started: list[warm.Started] = []

    def keep(*arguments: str) -> warm.Started:
        first = partial(fork_jobs, ranks=False)
        started.append(warm.start("train", "-m", *arguments, folder=tmp_path, first=first))
        return started[-1]

    yield keep
    for sweep in started:
        sweep.processes[0].terminate()
        sweep.processes[0].join(timeout=60)


def states(folder: Path) -> dict[str, str]:
    """The state of each job of a sweep, by head and seed."""
    return {short(entry["folder"]): entry["state"] for entry in SweepFile(folder).read()}


def short(folder: str) -> str:
    head, seed = Path(folder).parts[-2:]
    return f"{head.partition('-')[0]}/{seed}"


def last(runs: Path) -> Path:
    """The folder of the last sweep."""
    return max(runs.glob("sweeps/*/sweep.json")).parent


def logs(folder: Path) -> list[str]:
    return [path.read_text() for path in sorted(folder.glob("*.log"))]


def processes_of(runs: Path) -> list[str]:
    """The processes whose command names a folder of runs."""
    listed = subprocess.run(["ps", "-ewwo", "pid,args"], capture_output=True, text=True, check=True)
    return [line for line in listed.stdout.splitlines() if f"paths.runs={runs}" in line]


class Outcome(NamedTuple):
    """How a sweep ended: its status, what it printed, and its jobs' states and output."""

    status: int
    printed: str
    states: dict[str, str]
    logs: list[str]


class Resumed(NamedTuple):
    """A sweep of which a job failed, and the same one resumed on two processes."""

    runs: Path
    first: Outcome
    again: Outcome
    written: dict[Path, tuple[int, int]]


@pytest.fixture(scope="module")
def resumed(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Resumed:
    """Two stages on two seeds, of an experiment of one's own; one folder is locked at first."""
    top = tmp_path_factory.mktemp("resumed")
    files = {
        "mine/experiment/mine.yaml": (
            "# @package _global_\ndefaults: [/experiment/shapes, {override /recipe: other}]\n"
            "backbone: {widths: [4, 4, 8, 8, 8], fc_widths: [16, 16]}\n"
            "recipe: {max_steps: 2, val_every: 2, batch: 2}\nclassifier: null\n"
        ),
        "more/recipe/other.yaml": "defaults: [adamw]\nweight_decay: 0.0625\n",
    }
    for name, content in files.items():
        (top / name).parent.mkdir(parents=True)
        (top / name).write_text(content)
    runs = top / "runs"
    own = [
        "experiment=mine", f"paths.runs={runs}", f"paths.data={tiny_data}", "num_workers=0",
        "resume=true",
    ]  # fmt: skip
    searched = f"hydra.searchpath=[{top}/mine,{top}/more]"
    broken = compose_run([*own, searched, "seed=1", "trainer=cpu"]).folder
    broken.mkdir(parents=True)
    options = ["--config-dir", str(top / "mine"), f"hydra.searchpath=[{top}/more]"]
    command = [*options, *own, "head=fcn16s,fcn32s", "seed=0,1"]

    def outcome(*more: str) -> Outcome:
        arguments = ("-m", *command, *more)
        done = warm.run("train", *arguments, folder=top, environment=OFFLINE, first=fork_jobs)
        return Outcome(done.returncode, done.stderr, states(last(runs)), logs(last(runs)))

    with locked(broken / "train.log"):
        first = outcome("trainer=cpu", "hydra.launcher.cpu_slots=2")
    scores = runs.glob("mine/*/*/scores.json")
    before = {path: path.stat().st_mtime_ns for path in scores}
    again = outcome(*DDP, "logger=csv")
    written = {path: (time, path.stat().st_mtime_ns) for path, time in before.items()}
    return Resumed(runs, first, again, written)


def test_a_failed_job_blocks_only_the_stages_that_depend_on_it(resumed: Resumed) -> None:
    status, printed, found, output = resumed.first
    assert status == 1, printed
    assert found == {
        "fcn16s/seed0": "done",
        "fcn16s/seed1": "not started",
        "fcn32s/seed0": "done",
        "fcn32s/seed1": "failed",
    }
    assert "Another process is writing" in output[-1]
    assert re.search(r"#3 fcn32s\S*/seed1: failed, status 2, see \S+3\.log", printed)
    assert re.search(r"#1 fcn16s\S*/seed1: not started, fcn32s\S*/seed1 failed", printed)
    assert printed.splitlines()[-1] == "2 of 4 jobs done"


def test_stages_run_in_their_order_wherever_they_are_named(resumed: Resumed) -> None:
    printed = resumed.first.printed
    order = [line.partition(" ")[0] for line in printed.splitlines() if ": running" in line]
    assert order == ["#2", "#3", "#0"]


def test_a_resumed_sweep_runs_what_is_missing_on_as_many_processes_as_it_says(
    resumed: Resumed,
) -> None:
    status, printed, found, output = resumed.again
    assert status == 0, printed
    assert set(found.values()) == {"done"}
    assert printed.count("done, already complete, mean IU ") == 2
    assert printed.splitlines()[-1] == "4 of 4 jobs done"
    assert len(resumed.written) == 2
    assert all(before == after for before, after in resumed.written.values())
    assert [log.count("seed 1\n") for log in output] == [1, 1], "one process writes"
    found_records = {
        short(str(path.parent)): json.loads(path.read_text())
        for path in resumed.runs.glob("mine/*/*/scores.json")
    }
    assert {name: record["num_processes"] for name, record in found_records.items()} == {
        "fcn16s/seed0": 1, "fcn32s/seed0": 1, "fcn16s/seed1": 2, "fcn32s/seed1": 2,
    }  # fmt: skip
    assert {record["num_images"] for record in found_records.values()} == {5}
    assert sorted(path.name for path in resumed.runs.iterdir()) == ["mine", "sweeps"]
    assert processes_of(resumed.runs) == []


def test_every_job_has_the_configs_of_ones_own(resumed: Resumed) -> None:
    configs = [yaml.safe_load(p.read_text()) for p in resumed.runs.glob("mine/*/*/config.yaml")]
    assert len(configs) == 4
    assert {config["recipe"]["weight_decay"] for config in configs} == {0.0625}
    assert sorted(config["seed"] for config in configs) == [0, 0, 1, 1]


def test_every_job_has_a_folder_and_a_wandb_run_of_one_group(resumed: Resumed) -> None:
    folders = sorted(resumed.runs.glob("mine/*/seed0"))
    assert [folder.parent.name.split("-")[0] for folder in folders] == ["fcn16s", "fcn32s"]
    second = json.loads((folders[0] / "scores.json").read_text())
    assert second["start"][""]["path"] == str(folders[1])
    runs = [next(r.run for r in records(f) if r.HasField("run")) for f in folders]
    assert len({r.run_id for r in runs}) == 2
    assert len({r.run_group for r in runs}) == 1
    assert runs[0].run_group == min(resumed.runs.glob("sweeps/*")).name


def test_a_process_that_is_killed_ends_its_job_and_no_other(
    start: Start, tiny: Tiny, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    sweep = start(*tiny("experiment=shapes", "seed=0,1", *DDP, *LONG))

    def second(seed: int) -> list[int]:
        return [
            int(line.split()[0])
            for line in processes_of(runs)
            if "train_ddp_process_1" in line and f"seed={seed}" in line
        ]

    def log(number: int) -> str:
        found = list(runs.glob(f"sweeps/*/{number}.log"))
        return found[0].read_text() if found else ""

    def state(seed: int) -> str:
        return states(last(runs))[f"fcn32s/seed{seed}"]

    wait_until(lambda: second(0) and "MEMBER: 2/2" in log(0), 300, "both have started")
    time.sleep(1)
    killed = time.monotonic()
    os.kill(second(0)[0], signal.SIGKILL)
    wait_until(lambda: state(0) == "failed", 30, "the job has failed")
    assert time.monotonic() - killed < 20
    assert "Another process of this run is gone" in log(0)
    wait_until(lambda: "MEMBER: 2/2" in log(1), 300, "the next job has started")
    time.sleep(1)

    os.kill(sweep.processes[0].pid or 0, signal.SIGINT)
    done = sweep.end()
    assert done.returncode == 130, done.stderr
    assert state(1) == "stopped"
    assert "stopped by SIGTERM at step" in log(1)
    (saved,) = runs.glob("shapes/*/seed1/checkpoints/last.ckpt")
    assert saved.is_file()
    wait_until(lambda: not processes_of(runs), 10, "no process is left")


def test_an_error_of_one_process_is_told_and_ends_the_run(
    tiny: Tiny, tiny_data: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    shutil.copytree(tiny_data, data)
    image = data / "shapes/VOCdevkit/VOC2012/JPEGImages/scene_000001.jpg"  # the second to score
    image.write_bytes(image.read_bytes()[:500])
    own = tiny("experiment=shapes", *DDP, f"paths.data={data}")
    done = warm.run("train", *own, folder=tmp_path, ranks=2)
    assert done.returncode == 1
    assert f"Cannot read the image {image}: " in done.stderr
    assert "Another process of this run is gone" in done.stderr
    assert "Traceback" not in done.stderr
