"""Processes that belong together: none outlives the one that started it, one folder has one."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import sys
import time
from pathlib import Path
from typing import TextIO

from fcn_lightning.cli.errors import InputError

PARENT = "FCN_LIGHTNING_PARENT"
"""Environment variable: the id of the process that a launcher of sweeps ran in."""

OF_A_JOB_ABOVE = (
    "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE",
    "MASTER_ADDR", "MASTER_PORT", "PL_GLOBAL_SEED", "WANDB_RUN_ID",
)  # fmt: skip
"""Environment variables that would make a job take itself for a process of another one."""

PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Asks the system for a signal when the process that started this one ends, on Linux.

    A sweep's job is asked to stop, as by its launcher; a process of a job, which can do nothing
    without process 0, is killed.
    """
    if sys.platform != "linux":
        return
    if os.environ.get(PARENT) == str(os.getppid()):
        _signal_at_parents_end(signal.SIGTERM)
    elif int(os.environ.get("LOCAL_RANK", "0")) and "hydra.job.name=train_ddp_process" in " ".join(
        sys.argv
    ):
        _signal_at_parents_end(signal.SIGKILL)


def _signal_at_parents_end(number: signal.Signals) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(number))


def end_group(group: int, patience: float = 5.0) -> None:
    """Ends what is left of a process group, whose members may end by themselves for a while."""
    limit = time.monotonic() + patience
    try:
        while time.monotonic() < limit:
            os.killpg(group, 0)
            time.sleep(0.05)
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


def is_lost_connection(error: RuntimeError) -> bool:
    """Whether an error says that another process of the same run is gone."""
    import torch

    own = "gloo" in str(error) or "Connection closed by peer" in str(error)
    return own or isinstance(error, torch.distributed.DistError)


def locked(path: Path) -> TextIO:
    """Opens a file to append to it, for one process alone.

    Raises:
        InputError: Another process has it.
    """
    file = path.open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise InputError(
            f"{path.parent} must be written by one process at a time; another is at work there. "
            "Wait for its end, or stop it."
        ) from None
    return file
