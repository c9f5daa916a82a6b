"""Jobs of a sweep as forks of its process, which has imported all that they need."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import IO

from fcn_lightning.launch import local


def fork_jobs() -> None:
    """Let the sweeps of this process fork their jobs, which then have one process each."""
    local.subprocess = SimpleNamespace(  # type: ignore[assignment]
        Popen=Fork, DEVNULL=local.subprocess.DEVNULL, STDOUT=local.subprocess.STDOUT
    )


class Fork:
    """The part of `subprocess.Popen` that a sweep uses."""

    def __init__(
        self, command: Sequence[str], env: Mapping[str, str], stdout: IO[bytes], **others: object
    ) -> None:
        self.status: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            try:
                _train(command[3:], env, stdout.fileno())
            except SystemExit as ended:
                _end(int(ended.code or 0))
            except BaseException:
                traceback.print_exc()
                _end(1)
            _end(0)

    def poll(self) -> int | None:
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = os.waitstatus_to_exitcode(status) if pid else None
        return self.status

    def terminate(self) -> None:
        os.kill(self.pid, signal.SIGTERM)


def _train(arguments: Sequence[str], environment: Mapping[str, str], output: int) -> None:
    from hydra.core.global_hydra import GlobalHydra

    from fcn_lightning.cli import train

    os.setsid()
    for number in (1, 2):
        os.dup2(output, number)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment)
    GlobalHydra.instance().clear()
    sys.argv = ["fcn-train", *arguments]
    train.main()


def _end(status: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
