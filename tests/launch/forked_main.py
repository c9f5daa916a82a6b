"""Commands that a test forks as jobs."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import time

from fcn_lightning.runs.processes import end_with_parent


def main() -> None:
    """End with a status, by a signal, or not at all."""
    command, *arguments = sys.argv[1:]
    told = (*sys.argv[1:], os.environ["OF_TEST"], os.environ["OMP_NUM_THREADS"])
    if command == "watched":
        end_with_parent()
    sys.stdout.write(" ".join(told) + "\n")
    sys.stdout.flush()
    sys.stderr.write(f"{os.getsid(0) == os.getpid()} {sys.stdin.read()!r}\n")
    atexit.register(sys.stderr.write, "at exit\n")
    if command == "fail":
        raise RuntimeError("It failed.")
    if command == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if command in ("wait", "watched"):
        time.sleep(60)
    sys.exit(int(arguments[0]))
