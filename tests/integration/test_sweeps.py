"""Sweeps by the real command: jobs of their own, stages, failures, interruption, going on."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cluster.processes import wait_until
from fcn_lightning.cli.compose import job
from fcn_lightning.cli.processes import locked

Tiny = Callable[..., list[str]]
Start = Callable[..., subprocess.Popen[str]]

DDP = ("trainer=ddp_cpu", "trainer.devices=2")


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts sweeps; what is still at work after the test is stopped."""
    started: list[subprocess.Popen[str]] = []

    def sweep(*overrides: str) -> subprocess.Popen[str]:
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", "fcn_lightning.cli.train", "-m", *overrides],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
        )  # fmt: skip
        return started[-1]

    yield sweep
    for process in started:
        process.terminate()
        process.communicate(timeout=60)


def states(runs: Path) -> dict[str, str]:
    """The state of each job of the last sweep, by head and seed."""
    path = max(runs.glob("sweeps/*/sweep.json"))
    return {short(job["folder"]): job["state"] for job in json.loads(path.read_text())}


def short(folder: str) -> str:
    head, seed = Path(folder).parts[-2:]
    return f"{head.partition('-')[0]}/{seed}"


def logs(runs: Path) -> list[str]:
    folder = max(runs.glob("sweeps/*"))
    return [path.read_text() for path in sorted(folder.glob("*.log"))]


def processes_of(runs: Path) -> list[str]:
    """The processes whose command names a folder of runs."""
    listed = subprocess.run(["ps", "-ewwo", "pid,args"], capture_output=True, text=True, check=True)
    return [line for line in listed.stdout.splitlines() if f"paths.runs={runs}" in line]


def test_stages_run_in_their_order_wherever_they_stand(
    start: Start, tiny: Tiny, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    sweep = start(*tiny("experiment=shapes", "head=fcn16s,fcn32s", *DDP))
    printed, _ = sweep.communicate(timeout=120)
    assert sweep.returncode == 0, printed
    assert states(runs) == {"fcn16s/seed0": "done", "fcn32s/seed0": "done"}
    assert printed.splitlines()[-1] == "2 of 2 jobs done"
    order = [line.partition(" ")[0] for line in printed.splitlines() if ": running" in line]
    assert order == ["#1", "#0"]
    for folder in runs.glob("shapes/*/seed0"):
        record = json.loads((folder / "scores.json").read_text())
        assert (record["num_processes"], record["num_images"]) == (2, 5)
    assert [log.count("seed 0\n") for log in logs(runs)] == [1, 1], "one process writes"
    assert sorted(path.name for path in runs.iterdir()) == ["shapes", "sweeps"]
    assert processes_of(runs) == []


def test_a_failure_holds_up_its_own_stages_and_going_on_does_what_is_missing(
    start: Start, tiny: Tiny, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    own = tiny("experiment=shapes", "head=fcn32s,fcn16s", "seed=0,1", "resume=true")
    broken = runs / "shapes" / variant(own) / "seed1"
    broken.mkdir(parents=True)
    with locked(broken / "train.log"):
        sweep = start(*own, "hydra.launcher.cpu_slots=2")
        printed, _ = sweep.communicate(timeout=120)
    assert sweep.returncode == 1, printed
    assert states(runs) == {
        "fcn32s/seed0": "done",
        "fcn32s/seed1": "failed",
        "fcn16s/seed0": "done",
        "fcn16s/seed1": "not started",
    }
    assert "another is at work there" in logs(runs)[1]
    assert re.search(r"#1 fcn32s\S*/seed1: failed, status 2, see \S+1\.log", printed)
    assert re.search(r"#3 fcn16s\S*/seed1: not started, fcn32s\S*/seed1 failed", printed)
    assert "2 of 4 jobs done" in printed

    done = sorted(runs.glob("shapes/*/*/scores.json"))
    before = [path.stat().st_mtime_ns for path in done]
    again = start(*own)
    printed, _ = again.communicate(timeout=120)
    assert again.returncode == 0, printed
    assert set(states(runs).values()) == {"done"}
    assert printed.count("done, before") == 2
    assert [path.stat().st_mtime_ns for path in done] == before
    assert len(list(runs.glob("shapes/*/*/scores.json"))) == 4


def variant(overrides: list[str]) -> str:
    """The variant's name of FCN-32s with these overrides."""
    single = [o for o in overrides if not o.startswith(("head=", "seed="))]
    return job([*single, "head=fcn32s", "seed=1"]).variant


def test_a_process_that_is_killed_ends_its_job_and_no_other(
    start: Start, tiny: Tiny, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    long = ("recipe.max_steps=100000", "recipe.val_every=100000", "augment.crop=64")
    sweep = start(*tiny("experiment=shapes", "seed=0,1", *DDP, *long))

    def second(seed: int) -> list[int]:
        return [
            int(line.split()[0])
            for line in processes_of(runs)
            if "train_ddp_process_1" in line and f"seed={seed}" in line
        ]

    def log(number: int) -> str:
        return logs(runs)[number] if len(logs(runs)) > number else ""

    wait_until(lambda: second(0) and "MEMBER: 2/2" in log(0), 120, "both have started")
    time.sleep(1)
    killed = time.monotonic()
    os.kill(second(0)[0], signal.SIGKILL)
    wait_until(lambda: states(runs)["fcn32s/seed0"] == "failed", 30, "the job has failed")
    assert time.monotonic() - killed < 20
    assert "Another process of this run is gone" in log(0)
    wait_until(lambda: "MEMBER: 2/2" in log(1), 120, "the next job has started")
    time.sleep(1)

    sweep.send_signal(signal.SIGINT)
    printed, _ = sweep.communicate(timeout=60)
    assert sweep.returncode == 130, printed
    assert states(runs)["fcn32s/seed1"] == "stopped"
    assert "stopped by SIGTERM at step" in log(1)
    (saved,) = runs.glob("shapes/*/seed1/checkpoints/last.ckpt")
    assert saved.is_file()
    wait_until(lambda: not processes_of(runs), 10, "no process is left")


def test_an_error_of_one_process_is_told_and_ends_the_job(
    start: Start, tiny: Tiny, tiny_data: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    shutil.copytree(tiny_data, data)
    image = data / "shapes/VOCdevkit/VOC2012/JPEGImages/scene_000001.jpg"  # the second to score
    image.write_bytes(image.read_bytes()[:500])
    sweep = start(*tiny("experiment=shapes", "seed=0,1", *DDP, f"paths.data={data}"))
    printed, _ = sweep.communicate(timeout=120)
    assert sweep.returncode == 1, printed
    assert set(states(tmp_path / "runs").values()) == {"failed"}
    for log in logs(tmp_path / "runs"):
        assert f"{image} must be a whole image; it cannot be read" in log
        assert "Another process of this run is gone" in log
        assert "Traceback" not in log
    assert processes_of(tmp_path / "runs") == []


def test_asked_twice_it_ends_what_does_not_answer(start: Start, tiny: Tiny, tmp_path: Path) -> None:
    long = ("recipe.max_steps=100000", "recipe.val_every=100000", "augment.crop=64")
    sweep = start(*tiny("experiment=shapes", "seed=0,1", *long))
    runs = tmp_path / "runs"

    def at_work() -> list[int]:
        lines = [line for line in processes_of(runs) if "seed=0,1" not in line]
        return [int(line.split()[0]) for line in lines]

    wait_until(lambda: bool(at_work()), 60, "the job has started")
    for process in at_work():
        os.kill(process, signal.SIGSTOP)
    sweep.send_signal(signal.SIGINT)
    time.sleep(1)
    assert sweep.poll() is None
    sweep.send_signal(signal.SIGINT)
    printed, _ = sweep.communicate(timeout=20)
    assert sweep.returncode == 130, printed
    assert states(runs) == {"fcn32s/seed0": "failed", "fcn32s/seed1": "not started"}
    assert processes_of(runs) == []


@pytest.mark.parametrize(
    ("own", "sentence"),
    [
        (
            ("seed=0,1", "hydra/launcher=basic", *DDP),
            "A sweep of jobs of several processes must run by hydra/launcher=local or slurm, which "
            "give each job a command line of its own; this one runs by basic.",
        ),
        (
            ("head=fcn32s,fcn16s", "hydra/launcher=basic"),
            "A sweep in which a stage starts from another must run by hydra/launcher=local or "
            "slurm, which know of stages; this one runs by basic.",
        ),
        (
            ("seed=0,1", "recipe.batch=3", *DDP),
            "`recipe.batch` (3) must divide over the 2 processes",
        ),
        (("seed=0,0",), "Each job of a sweep must be a run of its own; "),
        (
            ("seed=0,1", *DDP, "trainer.num_nodes=2", "recipe.batch=4"),
            "A job of a sweep must run on",
        ),
    ],
)
def test_what_would_go_wrong_is_refused_before_it_starts(
    own: tuple[str, ...], sentence: str, start: Start, tiny: Tiny, tmp_path: Path
) -> None:
    refused = start(*tiny("experiment=shapes", *own))
    printed, _ = refused.communicate(timeout=60)
    assert refused.returncode == 2, printed
    assert sentence in printed
    assert not list(tmp_path.glob("runs/shapes"))
