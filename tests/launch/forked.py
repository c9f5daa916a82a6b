"""Jobs of a sweep, and their processes, as forks of a sweep that has imported what they need."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import IO, NoReturn

import warm
from fcn_lightning.cli import train
from fcn_lightning.launch import local
from fcn_lightning.runs.processes import PARENT


def fork_jobs(ranks: bool = True) -> None:
    """Let this process fork the jobs of its sweeps itself, without a server that imports.

    Args:
        ranks: Fork the second process of a job, too. Lightning starts it otherwise.
    """
    local.can_fork = lambda jobs: False
    local.subprocess = SimpleNamespace(  # type: ignore[assignment]
        Popen=partial(Fork, ranks), DEVNULL=local.subprocess.DEVNULL, STDOUT=local.subprocess.STDOUT
    )


class Fork:
    """The part of `subprocess.Popen` that a sweep uses."""

    def __init__(
        self,
        ranks: bool,
        command: Sequence[str],
        env: Mapping[str, str],
        stdout: IO[bytes],
        **others: object,
    ) -> None:
        self.status: int | None = None
        self.pid = _forked(lambda: _train(command[3:], env, stdout.fileno(), ranks))

    def poll(self) -> int | None:
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = os.waitstatus_to_exitcode(status) if pid else None
        return self.status

    def terminate(self) -> None:
        os.kill(self.pid, signal.SIGTERM)


def _forked(work: Callable[[], None]) -> int:
    """The number of a new process that does this work and ends."""
    pid = os.fork()
    if pid == 0:
        _end(_status(work))
    return pid


def _status(work: Callable[[], None]) -> int:
    try:
        work()
    except SystemExit as ended:
        return int(ended.code or 0)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _train(
    arguments: Sequence[str], environment: Mapping[str, str], output: int, ranks: bool
) -> None:
    from hydra.core.global_hydra import GlobalHydra

    os.setsid()
    for number in (1, 2):
        os.dup2(output, number)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment)
    GlobalHydra.instance().clear()
    sys.argv = [str(Path(sys.executable).with_name("fcn-train")), *arguments]
    if "trainer.devices=2" not in arguments or not ranks:
        train.main()
        return
    os.environ.update(warm.variables_of_ranks(2))
    other = _forked(_second)
    os.environ["LOCAL_RANK"] = "0"
    train.main()
    _, status = os.waitpid(other, 0)
    sys.exit(os.waitstatus_to_exitcode(status))


def _second() -> None:
    os.environ.update({"LOCAL_RANK": "1", PARENT: str(os.getppid())})
    train.main()


def _end(status: int) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
