"""The progress of a command: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

EVERY = 30.0
"""Seconds between two lines in a log."""


class Rate:
    """Shows how many items are done, how many a second, and the time left, on standard error."""

    def __init__(self, items: str, total: int) -> None:
        self._items, self._total, self._done = items, total, 0
        self._began = self._said = time.monotonic()
        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn(items), BarColumn(), MofNCompleteColumn(), _Speed(), TimeRemainingColumn(),
            console=console, disable=not console.is_terminal,
        )  # fmt: skip
        self._task = self._bar.add_task(items, total=total)

    def __enter__(self) -> Rate:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def advance(self) -> None:
        """Count one more item."""
        self._done += 1
        self._bar.advance(self._task)
        now = time.monotonic()
        if self._bar.disable and now - self._said > EVERY and self._done < self._total:
            self._said = now
            speed = self._done / (now - self._began)
            left = (self._total - self._done) / speed
            sys.stderr.write(
                f"{self._done} of {self._total} {self._items}, {speed:.3g} a second, "
                f"{left:.0f} s left\n"
            )


class _Speed(ProgressColumn):
    """Items a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.3g}/s" if task.speed else "")
