"""Commands in processes that have imported torch and Lightning already.

A server imports them once (warmed.py) and forks. Its children are processes of their own, with
their own streams, environment and gloo connections; they save only the seconds of importing.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Mapping
from multiprocessing.forkserver import ensure_running
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

import pytest

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["warmed"])


class Done(NamedTuple):
    """The end of a command: the first status that is not 0, and the output of all processes."""

    returncode: int
    stdout: str
    stderr: str


class Started(NamedTuple):
    """The processes of a command, and the folder with what they print."""

    processes: list[BaseProcess]
    output: tempfile.TemporaryDirectory[str]

    def end(self) -> Done:
        """Wait until all processes have ended."""
        for process in self.processes:
            process.join()
        with self.output as output:
            printed = [
                "".join(path.read_text() for path in sorted(Path(output).glob(f"*.{name}")))
                for name in ("out", "err")
            ]
        return Done(next((p.exitcode for p in self.processes if p.exitcode), 0), *printed)


def child(target: Callable[..., object], arguments: tuple[object, ...]) -> BaseProcess:
    """Make a process that is a child of the server."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))  # the server finds warmed.py
        ensure_running()
    return CONTEXT.Process(target=target, args=arguments)


def run(module: str, *arguments: str, **options: Any) -> Done:
    """Run what `start` starts."""
    return start(module, *arguments, **options).end()


def start(
    module: str,
    *arguments: str,
    folder: Path,
    environment: Mapping[str, str] = {},
    ranks: int = 1,
    first: Callable[[], None] | None = None,
) -> Started:
    """Start `main` of a module of `fcn_lightning.cli`.

    Args:
        module: The module.
        arguments: Its command line.
        folder: The working directory.
        environment: Variables in addition to those of this process.
        ranks: Processes of one run, with the variables that torchrun sets.
        first: Called in each process before the command.
    """
    together = variables_of_ranks(ranks) if ranks > 1 else {}
    started = Started([], tempfile.TemporaryDirectory())
    for rank in range(ranks):
        of_rank = {**together, "LOCAL_RANK": str(rank)} if together else {}
        variables = {**os.environ, **environment, **of_rank}
        own = (module, arguments, folder, variables, Path(started.output.name, str(rank)), first)
        started.processes.append(child(_command, own))
        started.processes[-1].start()
    return started


def _command(
    module: str,
    arguments: tuple[str, ...],
    folder: Path,
    variables: Mapping[str, str],
    output: Path,
    first: Callable[[], None] | None,
) -> None:
    import torch

    multiprocessing.set_start_method(None, force=True)  # workers start as in a real command
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    torch.set_num_threads(1)
    for number, suffix in ((1, ".out"), (2, ".err")):
        file = os.open(output.with_suffix(suffix), os.O_WRONLY | os.O_CREAT)
        os.dup2(file, number)
    sys.argv = [module, *arguments]
    if first:
        first()
    importlib.import_module(f"fcn_lightning.cli.{module}").main()


def variables_of_ranks(number: int) -> dict[str, str]:
    """The environment that the processes of one run have in common; each has its LOCAL_RANK."""
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port())}
    return {**address, "NODE_RANK": "0", "WORLD_SIZE": str(number)}


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port
