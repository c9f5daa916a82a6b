"""Runs a parser on damaged files for a bounded time, in a process with bounded memory."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from hypothesis import HealthCheck, Phase, given, seed, settings

from fuzz.mutations import damaged

SECONDS = float(os.environ.get("FCN_FUZZ_SECONDS", "8"))
"""For each parser."""

HANG = 10
"""Seconds that one file may take."""

MEMORY = 3 * 2**30
"""Bytes of address space that the parser may take on top of what its process has."""


class Fuzzed(NamedTuple):
    """The files that were tried and refused, and what else happened: a traceback, or nothing."""

    tried: int
    refused: int
    problem: str


def fuzz(parse: Callable[[Path], object], valid: bytes, suffix: str, first: int = 0) -> Fuzzed:
    """Feed damaged copies of a file to a parser, which returns or raises ValueError or OSError.

    Args:
        parse: Reads a file.
        valid: The content of a valid file, which is read first.
        suffix: The suffix of its name.
        first: Seeds the changes.
    """
    Path(f"valid{suffix}").write_bytes(valid)
    parse(Path(f"valid{suffix}"))
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=_child, args=(theirs, parse, valid, suffix, first))
    process.start()
    theirs.close()
    found = Fuzzed(0, 0, "it ended without a word: a crash, or a hang")
    if ours.poll(SECONDS + 3 * HANG):
        try:
            found = ours.recv()
        except EOFError:
            process.join()
            found = Fuzzed(0, 0, f"it crashed with status {process.exitcode}")
    process.kill()
    process.join()
    return found


def _child(
    pipe: Connection, parse: Callable[[Path], object], valid: bytes, suffix: str, first: int
) -> None:
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, taken + MEMORY))
    signal.signal(signal.SIGALRM, _hang)
    counts, path = {"tried": 0, "refused": 0}, Path(f"file{suffix}")
    end, problem = time.monotonic() + SECONDS, ""

    @settings(
        max_examples=500, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(damaged(valid))
    def try_one(content: bytes) -> None:
        if time.monotonic() > end:
            return
        path.write_bytes(content)
        counts["tried"] += 1
        signal.alarm(HANG)
        try:
            parse(path)
        except (ValueError, OSError):
            counts["refused"] += 1
        finally:
            signal.alarm(0)

    try:
        round_ = first
        while time.monotonic() < end:
            seed(round_)(try_one)()
            round_ += 1
    except BaseException:
        problem = traceback.format_exc()[-3000:]
        Path(f"found{suffix}").write_bytes(path.read_bytes())
    pipe.send(Fuzzed(counts["tried"], counts["refused"], problem))


def _hang(*_: object) -> None:
    raise RuntimeError(f"a file took more than {HANG} seconds")
