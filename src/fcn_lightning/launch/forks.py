"""Jobs as forks of a process that has imported what they need, which takes longer than a small run.

Between the jobs of a sweep on CPUs only command lines and outputs differ, so that process has the
environment of all of them.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fcn_lightning.launch.job import Job

IMPORTED = ("hydra", "lightning", "fcn_lightning.runs.train", "fcn_lightning.runs.evaluate")
"""Not W&B: it makes a folder when it is imported, which the first fork that ends would delete."""


def can_fork(jobs: Sequence[Job]) -> bool:
    """Return whether jobs should be forks: several, each with one process, on CPUs, on Linux.

    A process of a GPU must not be a fork of one that has asked for GPUs. Of several processes of
    one run, Lightning starts all but the first.
    """
    alone = all(j.run.needs.num_processes == 1 and not j.run.needs.num_gpus for j in jobs)
    return sys.platform == "linux" and len(jobs) > 1 and alone


class ForkServer:
    """The process that forks, in a session of its own, so that Ctrl-C does not reach it."""

    def __init__(self, environment: Mapping[str, str], imported: Sequence[str] = IMPORTED) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fcn_lightning.launch.fork_server", *imported],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)
        self._forks: list[Fork] = []
        self._received = b""

    def start(self, module: str, arguments: Sequence[str], log: Path) -> Fork:
        """Fork as soon as everything is imported, and call `main` of a module.

        Args:
            module: The module.
            arguments: Its command line.
            log: The file to which output is appended.
        """
        fork = Fork(self)
        line = json.dumps([len(self._forks), module, list(arguments), str(log.absolute())])
        self._forks.append(fork)
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:  # `poll` tells
            self.process.wait()
        return fork

    def read(self) -> None:
        """Take what the server has answered."""
        assert self.process.stdout is not None
        while part := self.process.stdout.read():
            *lines, self._received = (self._received + part).split(b"\n")
            for line in lines:
                number, pid, *status = map(int, line.split())
                self._forks[number].job = pid
                self._forks[number].status = status[0] if status else None

    def close(self) -> None:
        """End the server; no fork runs any more."""
        with self.process:  # closes the pipes and waits
            self.process.terminate()


class Fork:
    """The process of a job: the part of `subprocess.Popen` that a sweep uses.

    Attributes:
        job: Its id; None while the server imports.
        status: Its status when it has ended, negative for a signal.
    """

    def __init__(self, server: ForkServer) -> None:
        self.server = server
        self.job: int | None = None
        self.status: int | None = None

    @property
    def pid(self) -> int:
        """The id of the process, or that of the server which will fork it."""
        return self.job or self.server.process.pid

    def poll(self) -> int | None:
        """The status of the process; that of the server if it was lost; None while it runs."""
        self.server.read()
        lost = self.status is None and self.server.process.poll() is not None
        if lost and not (self.job and Path(f"/proc/{self.job}").exists()):
            return self.server.process.returncode or 1
        return self.status

    def terminate(self) -> None:
        """Send SIGTERM; while the server imports, it is the server that ends, without a job."""
        self.poll()
        if self.status is None:
            with contextlib.suppress(ProcessLookupError):  # it ends just now
                os.kill(self.pid, signal.SIGTERM)
