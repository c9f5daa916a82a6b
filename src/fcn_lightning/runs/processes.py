"""Processes that belong together: none outlives the process that started it."""

from __future__ import annotations

import ctypes
import logging
import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger("fcn_lightning")

PARENT = "FCN_LIGHTNING_PARENT"
"""Environment variable: the id of the process of this project that started this one."""

OF_ANOTHER_RUN = (
    "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE",
    "MASTER_ADDR", "MASTER_PORT", "PL_GLOBAL_SEED", "WANDB_RUN_ID",
)  # fmt: skip
"""Environment variables that would make a job take part in the run of the process above it."""

PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """End this process when the process that started it ends, even before this call.

    The job of a sweep receives SIGTERM, so that it saves itself. A process that process 0 of a run
    started can do nothing without it, and is killed. Only Linux tells of an end after this call.

    Raises:
        SystemExit: The parent has ended already.
    """
    parent = os.environ.get(PARENT)
    os.environ[PARENT] = str(os.getpid())
    if parent in (None, str(os.getpid())):  # started by hand, or called twice
        return
    if sys.platform == "linux":
        of_a_run = int(os.environ.get("LOCAL_RANK", "0")) > 0
        number = signal.SIGKILL if of_a_run else signal.SIGTERM
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(number))
    if parent != str(os.getppid()):
        sys.stderr.write(f"The process that started this one ({parent}) has ended.\n")
        raise SystemExit(1)


def is_first_process() -> bool:
    """Tell whether this is process 0 of its run, which alone writes."""
    names = ("RANK", "LOCAL_RANK", "SLURM_PROCID")
    return next((os.environ[name] for name in names if name in os.environ), "0") == "0"


def end_group(group: int, patience: float = 2.0) -> None:
    """Kill what is left of a process group after `patience` seconds."""
    limit = time.monotonic() + patience
    try:
        while time.monotonic() < limit:
            os.killpg(group, 0)
            time.sleep(0.05)
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


@contextmanager
def lost_connections_reported() -> Iterator[None]:
    """End with status 1 and one line in the log when another process of the run is gone."""
    try:
        yield
    except RuntimeError as error:
        if not is_lost_connection(error):
            raise
        log.error("Another process of this run is gone (%s); this process ends too.", brief(error))
        raise SystemExit(1) from None


def is_lost_connection(error: RuntimeError) -> bool:
    """Tell whether an error says that another process of the same run is gone."""
    import torch

    own = "gloo" in str(error) or "Connection closed by peer" in str(error)
    return own or isinstance(error, torch.distributed.DistError)


def brief(error: RuntimeError) -> str:
    """Shorten an error of torch to its first sentence, without the place in torch's sources."""
    lines = [re.sub(r"\[\S+:\d+\] ", "", line).strip() for line in str(error).splitlines()]
    return next(filter(None, lines), type(error).__name__).partition(". ")[0].rstrip(".")
