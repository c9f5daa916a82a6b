"""Jobs that are forks: their status, output and environment, and how they end with their sweep."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import warm
from cluster.processes import running_with, wait_until
from fcn_lightning.launch.forks import Fork
from fcn_lightning.launch.job import SweepFile
from fcn_lightning.runs.processes import PARENT

Tiny = Callable[..., list[str]]
Start = Callable[..., Fork]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Forks a command of forked_main, with its output in `log`."""

    def start(*arguments: str, **environment: str) -> Fork:
        own = {**os.environ, "OF_TEST": str(tmp_path), PARENT: "1", **environment}
        return Fork("launch.forked_main", arguments, own, tmp_path / "log")

    return start


def ended(fork: Fork) -> int:
    wait_until(lambda: fork.poll() is not None, 60, "the fork has ended")
    status = fork.poll()
    assert status is not None
    return status


def test_a_fork_has_its_own_output_environment_threads_and_session(
    start: Start, tmp_path: Path
) -> None:
    (tmp_path / "log").write_text("before\n")
    assert ended(start("end", "7", OMP_NUM_THREADS="3")) == 7
    assert (tmp_path / "log").read_text().splitlines() == [
        "before", f"end 7 {tmp_path} 3", "True ''",
    ]  # fmt: skip


def test_how_a_fork_ends_is_its_status(start: Start, tmp_path: Path) -> None:
    assert ended(start("end", "0")) == 0
    assert ended(start("kill")) == -signal.SIGKILL
    assert ended(start("fail")) == 1
    assert (tmp_path / "log").read_text().endswith("RuntimeError: It failed.\n")
    waiting = start("wait")
    wait_until(lambda: "wait" in (tmp_path / "log").read_text(), 60, "the fork has started")
    assert waiting.poll() is None
    waiting.terminate()
    assert ended(waiting) == -signal.SIGTERM


KILLED = """
import os, signal, sys
from pathlib import Path
from fcn_lightning.launch import forks

forks.IMPORTED = []
Path("log").touch()
fork = forks.Fork("launch.forked_main", ["wait"], {**os.environ}, Path("log"))
while "wait" not in Path("log").read_text():
    pass
os.kill(os.getpid(), signal.SIGKILL)
"""
"""A sweep that is killed when its job runs."""


def test_a_fork_ends_when_its_sweep_is_killed(tmp_path: Path) -> None:
    tests = str(Path(__file__).parents[1])
    own = {
        **os.environ,
        "OF_TEST": str(tmp_path),
        "PYTHONPATH": os.pathsep.join([tests, *sys.path]),
    }
    done = subprocess.run([sys.executable, "-c", KILLED], env=own, timeout=50, check=False)
    assert done.returncode == -signal.SIGKILL
    assert (tmp_path / "log").read_text().startswith("wait")
    wait_until(lambda: not running_with("OF_TEST", str(tmp_path)), 20, "the fork has ended")


def interrupt_when_it_trains() -> None:
    def interrupt() -> None:
        logs = Path("runs/sweeps").glob
        wait_until(lambda: any("step" in p.read_text() for p in logs("*/0.log")), 120, "it trains")
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()


def test_ctrl_c_stops_a_forked_job_which_saves_itself(tiny: Tiny, tmp_path: Path) -> None:
    long = ("recipe.max_steps=100000", "recipe.val_every=100000")
    overrides = tiny("experiment=shapes", "seed=0,1", *long, "hydra.launcher.cpu_slots=1")
    first = interrupt_when_it_trains
    done = warm.run("train", "-m", *overrides, folder=tmp_path, first=first)
    assert done.returncode == 130, done.stderr
    (folder,) = (tmp_path / "runs/sweeps").iterdir()
    assert [job["state"] for job in SweepFile(folder).read()] == ["stopped", "not started"]
    assert "stopped by SIGTERM at step" in (folder / "0.log").read_text()
    (saved,) = (tmp_path / "runs").glob("shapes/*/seed0/checkpoints/last.ckpt")
    assert saved.is_file()
