"""A SLURM cluster of one node in a folder, with ports and a key of its own."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cluster.processes import kill, running_with, stop, wait_until

ENDED = ("CANCELLED", "COMPLETED", "FAILED", "NODE_FAIL", "PREEMPTED", "TIMEOUT")
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"  # where the daemons are


def missing() -> str | None:
    """What this machine lacks for a cluster, in a sentence; None where it has all."""
    programs = [
        p for p in ("munged", "slurmctld", "slurmd", "sbatch") if not shutil.which(p, path=PATH)
    ]
    if programs:
        return f"SLURM needs {', '.join(programs)}: apt-get install slurm-wlm munge"
    return None if os.geteuid() == 0 else "SLURM's daemons need root"


@dataclass(frozen=True)
class Cluster:
    """A cluster that runs, and the environment in which SLURM's commands find it."""

    folder: Path
    environment: dict[str, str]

    def run(self, *command: str, timeout: float = 60) -> str:
        """What that command printed; RuntimeError with its errors where it failed."""
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=timeout
        )
        if done.returncode:
            message = f"{' '.join(command)} exited with {done.returncode}: {done.stderr}"
            raise RuntimeError(message)
        return done.stdout

    def submit(self, script: str, *options: str) -> str:
        """The id of a new batch job of these bash lines; see `output` for what it prints."""
        path = self.folder / f"{secrets.token_hex(4)}.sh"
        path.write_text(f"#!/bin/bash\n{script}\n")
        output = f"--output={self.folder}/%j.out"
        return self.run(
            "sbatch", "--parsable", "--open-mode=append", output, *options, str(path)
        ).strip()

    def output(self, job: str) -> str:
        """What the job has printed so far, over all its starts."""
        path = self.folder / f"{job}.out"
        return path.read_text() if path.exists() else ""

    def job(self, job: str) -> dict[str, str]:
        """What `scontrol show job` says: `JobState`, `Reason`, `Restarts`, `ExitCode`, ..."""
        return dict(re.findall(r"(\S+?)=(\S*)", self.run("scontrol", "show", "job", job)))

    def ended(self, job: str, timeout: float = 60) -> str:
        """The state in which the job ended."""
        wait_until(lambda: self.job(job)["JobState"] in ENDED, timeout, f"job {job} has ended")
        return self.job(job)["JobState"]

    def printed(self, job: str, text: str, timeout: float = 60) -> None:
        """Wait until the job has printed that text."""
        wait_until(lambda: text in self.output(job), timeout, f"job {job} has printed {text!r}")

    def processes(self) -> list[int]:
        """Its daemons, its jobs, and commands that still run."""
        return running_with("SLURM_CONF", self.environment["SLURM_CONF"])

    def clear(self) -> None:
        """Cancel every job, and wait until none is left."""
        self.run("scancel", "--user=root")
        wait_until(lambda: not self.run("squeue", "--noheader"), 30, "the queue is empty")


@contextmanager
def cluster(folder: Path, cpus: int = 16, kill_wait: int = 10) -> Iterator[Cluster]:
    """A cluster that runs in `folder` until the block ends; then none of its processes is left.

    Args:
        folder: Where all of its files go: nothing else may be there.
        cpus: What the node declares; more than the machine has is fine.
        kill_wait: Seconds from SIGTERM to SIGKILL, in preemption and in `scancel`.
    """
    configuration = _configure(folder, cpus, kill_wait)
    running = Cluster(folder, _environment(configuration))
    with ExitStack() as stack:
        # steps are daemons of their own, and survive slurmd
        stack.callback(kill, running.processes)
        _start(running, stack, *_munged(folder))
        _start(running, stack, "slurmctld", "-D", "-c")
        _start(running, stack, "slurmd", "-D")
        wait_until(lambda: _idle(running), 30, f"the node is idle (logs: {folder}/*.log)")
        yield running


def _configure(folder: Path, cpus: int, kill_wait: int) -> Path:
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(secrets.token_bytes(128))
    controller_port, node_port = _free_ports(2)
    text = Path(__file__).with_name("slurm.conf").read_text()
    configuration = folder / "slurm.conf"
    configuration.write_text(
        text.format(
            host=_short_name(),
            folder=folder,
            controller_port=controller_port,
            node_port=node_port,
            cpus=cpus,
            kill_wait=kill_wait,
        )
    )
    return configuration


def _short_name() -> str:
    return socket.gethostname().partition(".")[0]


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _environment(configuration: Path) -> dict[str, str]:
    """The caller's, but for what a job that it may itself be has set."""
    kept = {
        k: v
        for k, v in os.environ.items()
        if not re.match("S(LURM|BATCH|RUN|ALLOC|CANCEL|INFO|QUEUE)_", k)
    }
    return {**kept, "PATH": PATH, "SLURM_CONF": str(configuration)}


def _munged(folder: Path) -> list[str]:
    files = {"socket": "socket", "key-file": "key", "log-file": "log", "pid-file": "pid"}
    options = [f"--{option}={folder}/munge.{file}" for option, file in files.items()]
    seed = f"--seed-file={folder}/munge.seed"
    # --force: a folder of tests is its user's alone, where munged wants a socket that all can reach
    return ["munged", "--foreground", "--force", "--num-threads=2", seed, *options]


def _start(running: Cluster, stack: ExitStack, *command: str) -> None:
    with (running.folder / f"{command[0]}.log").open("wb") as log:
        daemon = subprocess.Popen(
            command, env=running.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    stack.callback(stop, daemon)


def _idle(running: Cluster) -> bool:
    try:
        return "idle" in running.run("sinfo", "--noheader", "--format=%T")
    except RuntimeError:  # the controller does not answer yet
        return False
