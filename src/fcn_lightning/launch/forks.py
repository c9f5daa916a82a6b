"""Jobs as forks of a server that has imported what every run needs.

Importing takes longer than a small run. The server, Python's own `forkserver`, is a process without
threads that has run nothing. So its forks differ from commands only in what they need not import.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from fcn_lightning.launch.job import Job
from fcn_lightning.runs.processes import PARENT

IMPORTED = [
    "hydra", "lightning", "wandb.sdk.launch",  # by W&B when a run starts
    "fcn_lightning.runs.train", "fcn_lightning.runs.evaluate",
]  # fmt: skip


def can_fork(jobs: Sequence[Job]) -> bool:
    """Return whether jobs should be forks: several, each with one process, on CPUs, on Linux.

    A process of a GPU must not be a fork of one that has asked for GPUs. Of several processes of
    one run, Lightning starts all but the first.
    """
    alone = all(j.run.needs.num_processes == 1 and not j.run.needs.num_gpus for j in jobs)
    return sys.platform == "linux" and len(jobs) > 1 and alone


class Fork:
    """The process of a job: the part of `subprocess.Popen` that a sweep uses."""

    def __init__(
        self, module: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> None:
        """Fork, once the server has imported everything, and call `main` of a module.

        Args:
            module: The module.
            arguments: Its command line.
            environment: All environment variables.
            log: The file to which output is appended.
        """
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([*IMPORTED, __name__])
        own = (module, list(arguments), dict(environment), log.absolute())
        self._process = context.Process(target=_run, args=own)
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """The status of the process, negative for a signal; None while it runs."""
        return self._process.exitcode

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._process.terminate()


def _run(module: str, arguments: list[str], environment: dict[str, str], log: Path) -> None:
    import torch

    os.setsid()
    for number, path, flags in ((0, os.devnull, os.O_RDONLY), (1, log, os.O_WRONLY | os.O_APPEND)):
        file = os.open(path, flags | os.O_CREAT, 0o666)
        os.dup2(file, number)
        os.close(file)
    os.dup2(1, 2)
    os.environ.clear()
    os.environ.update({**environment, PARENT: str(os.getppid())})
    if threads := environment.get("OMP_NUM_THREADS"):  # the server has read another value
        torch.set_num_threads(int(threads))
    threading.Thread(target=_end_with_sweep, daemon=True).start()
    sys.path.insert(0, str(Path.cwd()))  # as `python -m` does
    sys.argv = [module, *arguments]
    importlib.import_module(module).main()


def _end_with_sweep() -> None:
    """Stop this process, as the sweep would, when the sweep is gone."""
    sweep = multiprocessing.parent_process()
    assert sweep is not None
    sweep.join()
    os.kill(os.getpid(), signal.SIGTERM)
