"""Commands that a test forks as jobs."""

from __future__ import annotations

import os
import signal
import sys
import time

import torch


def main() -> None:
    """End with a status, by a signal, or not at all."""
    command, *arguments = sys.argv[1:]
    told = (*sys.argv[1:], os.environ["OF_TEST"], str(torch.get_num_threads()))
    sys.stdout.write(" ".join(told) + "\n")
    sys.stdout.flush()
    sys.stderr.write(f"{os.getsid(0) == os.getpid()} {sys.stdin.read()!r}\n")
    if command == "fail":
        raise RuntimeError("It failed.")
    if command == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if command == "wait":
        time.sleep(60)
    sys.exit(int(arguments[0]))
