"""Jobs that are forks: their status, output and environment, and how they end with their sweep."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import warm
from cluster.processes import running_with, wait_until
from fcn_lightning.launch.forks import Fork, ForkServer
from fcn_lightning.launch.job import SweepFile
from fcn_lightning.runs.processes import PARENT

Tiny = Callable[..., list[str]]

TESTS = Path(__file__).parents[1]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A job's, which finds the tests."""
    path = os.pathsep.join([str(TESTS), *sys.path])
    own = {"OF_TEST": str(tmp_path), "PYTHONPATH": path, PARENT: str(os.getpid())}
    return {**os.environ, **own, "OMP_NUM_THREADS": "3"}


@pytest.fixture
def server(environment: dict[str, str]) -> Iterator[ForkServer]:
    """A server that imports nothing before it forks."""
    server = ForkServer(environment, [])
    yield server
    server.close()


def start(server: ForkServer, *arguments: str) -> Fork:
    return server.start("launch.forked_main", arguments, Path("log"))


def ended(fork: Fork) -> int:
    wait_until(lambda: fork.poll() is not None, 60, "the fork has ended")
    status = fork.poll()
    assert status is not None
    return status


def says(word: str) -> None:
    log = Path("log")
    wait_until(lambda: log.exists() and word in log.read_text(), 60, f"the log says {word}")


def test_a_fork_has_its_own_output_and_session_and_ends_as_a_command(
    server: ForkServer, tmp_path: Path
) -> None:
    Path("log").write_text("before\n")
    assert ended(start(server, "end", "7")) == 7
    assert Path("log").read_text().splitlines() == [
        "before", f"end 7 {tmp_path} 3", "True ''", "at exit",
    ]  # fmt: skip


def test_how_a_fork_ends_is_its_status(server: ForkServer) -> None:
    assert ended(start(server, "end", "0")) == 0
    assert ended(start(server, "kill")) == -signal.SIGKILL
    assert ended(start(server, "fail")) == 1
    assert "RuntimeError: It failed.\n" in Path("log").read_text()
    waiting = start(server, "wait")
    says("wait")
    assert waiting.poll() is None
    waiting.terminate()
    assert ended(waiting) == -signal.SIGTERM


def test_a_fork_that_is_not_there_yet_can_be_stopped(environment: dict[str, str]) -> None:
    server = ForkServer(environment)
    fork = start(server, "wait")
    assert fork.poll() is None
    fork.terminate()
    assert ended(fork) == -signal.SIGTERM
    assert not Path("log").exists()
    server.close()


def test_a_fork_outlives_a_server_that_is_lost(server: ForkServer) -> None:
    fork = start(server, "wait")
    says("wait")
    assert fork.poll() is None
    server.process.kill()
    server.process.wait()
    assert fork.poll() is None
    fork.terminate()
    assert ended(fork) == -signal.SIGKILL, "the server's status"


KILLED = """
import os, signal, sys
from pathlib import Path
from fcn_lightning.launch.forks import ForkServer

Path("log").touch()
server = ForkServer({**os.environ, "FCN_LIGHTNING_PARENT": str(os.getpid())}, [])
server.start("launch.forked_main", ["watched"], Path("log"))
while "watched" not in Path("log").read_text():
    pass
os.kill(os.getpid(), signal.SIGKILL)
"""
"""A sweep that is killed when its job runs."""


def test_a_fork_ends_when_its_sweep_is_killed(environment: dict[str, str], tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED]
    done = subprocess.run(command, env=environment, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    assert Path("log").read_text().startswith("watched")
    wait_until(lambda: not running_with("OF_TEST", str(tmp_path)), 20, "the fork has ended")


def interrupt_when_it_trains() -> None:
    """Lists the temporary files, too."""

    def interrupt() -> None:
        logs = Path("runs/sweeps").glob
        wait_until(lambda: any("step" in p.read_text() for p in logs("*/0.log")), 120, "it trains")
        files = Path(os.environ["TMPDIR"]).iterdir()
        Path("temporary_files").write_text("\n".join(path.name for path in files))
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()


def test_ctrl_c_stops_a_forked_job_which_saves_itself(tiny: Tiny, tmp_path: Path) -> None:
    """The job has workers that read images.

    The server's imports make no temporary folder, which the first job that ends would delete.
    """
    long = ("recipe.max_steps=100000", "recipe.val_every=100000", "num_workers=1")
    overrides = tiny("experiment=shapes", "seed=0,1", *long, "hydra.launcher.cpu_slots=1")
    first = interrupt_when_it_trains
    with tempfile.TemporaryDirectory() as short:  # a socket's path has at most 107 characters
        own = {"TMPDIR": short}
        done = warm.run("train", "-m", *overrides, folder=tmp_path, environment=own, first=first)
    assert done.returncode == 130, done.stderr
    files = (tmp_path / "temporary_files").read_text().splitlines()
    assert all(name.startswith(("pymp-", "torchinductor_")) for name in files), files
    (folder,) = (tmp_path / "runs/sweeps").iterdir()
    assert [job["state"] for job in SweepFile(folder).read()] == ["stopped", "not started"]
    assert "stopped by SIGTERM at step" in (folder / "0.log").read_text()
    (saved,) = (tmp_path / "runs").glob("shapes/*/seed0/checkpoints/last.ckpt")
    assert saved.is_file()
