"""Waiting for processes, and leaving none behind."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path


def wait_until(true: Callable[[], bool], timeout: float, what: str) -> None:
    """Return once that holds; TimeoutError where it doesn't within `timeout` seconds."""
    end = time.monotonic() + timeout
    while not true():
        if time.monotonic() > end:
            message = f"Not within {timeout:g} s: {what}."
            raise TimeoutError(message)
        time.sleep(0.1)


def stop(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, and SIGKILL where that does not end it within 5 seconds."""
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def running_with(variable: str, value: str) -> list[int]:
    """The processes, but for this one, that were started with that environment variable."""
    wanted = os.fsencode(f"{variable}={value}")
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        process = int(environment.parent.name)
        try:
            if process != os.getpid() and wanted in environment.read_bytes().split(b"\0"):
                found.append(process)
        except OSError:  # it has ended meanwhile
            continue
    return found


def kill(running: Callable[[], list[int]]) -> None:
    """SIGKILL to what `running` finds, until it finds nothing more."""

    def none_left() -> bool:
        left = running()
        for process in left:
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
        return not left

    wait_until(none_left, 10, "every process is killed")
