"""Processes that belong together: none outlives the one that started it, one folder has one."""

from __future__ import annotations

import ctypes
import fcntl
import logging
import os
import re
import signal
import sys
import time
from pathlib import Path
from typing import TextIO

from fcn_lightning.cli.errors import InputError

log = logging.getLogger("fcn_lightning")

PARENT = "FCN_LIGHTNING_PARENT"
"""Environment variable: the id of the process of ours that started this one."""

OF_A_JOB_ABOVE = (
    "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE",
    "MASTER_ADDR", "MASTER_PORT", "PL_GLOBAL_SEED", "WANDB_RUN_ID",
)  # fmt: skip
"""Environment variables that would make a job take itself for a process of another one."""

PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Has this process end with the one that started it, on Linux.

    A sweep's job is asked to stop, as by its launcher; a process that process 0 of a run started,
    and that can do nothing without it, is killed.
    """
    parent = os.environ.get(PARENT)
    os.environ[PARENT] = str(os.getpid())
    if parent is None or sys.platform != "linux":
        return
    of_a_run = int(os.environ.get("LOCAL_RANK", "0")) > 0
    own_parent = parent == str(os.getppid())
    if own_parent:
        number = signal.SIGKILL if of_a_run else signal.SIGTERM
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(number))
    if of_a_run and parent != str(os.getppid()):
        raise SystemExit(1)  # it ended while this one was loading


def end_group(group: int, patience: float = 2.0) -> None:
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


def brief(error: RuntimeError) -> str:
    """An error of torch's in one line, without where in its sources it arose."""
    lines = [re.sub(r"\[\S+:\d+\] ", "", line).strip() for line in str(error).splitlines()]
    return next(filter(None, lines), type(error).__name__).partition(". ")[0].rstrip(".")


def locked(path: Path) -> TextIO:
    """Opens a file to append to it, for one process alone.

    A file system that has no locks is taken at its word.

    Raises:
        InputError: Another process has it.
    """
    file = path.open("a")
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # which loaders' workers do not inherit
    except (BlockingIOError, PermissionError):
        file.close()
        raise InputError(
            f"{path.parent} must be written by one process at a time; another is at work there. "
            "Wait for its end, or stop it."
        ) from None
    except OSError:
        log.warning("%s cannot be locked: see to it that one process writes there", path.parent)
    return file
