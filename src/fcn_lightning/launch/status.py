"""The states of a sweep's jobs on standard error: a table on a terminal, lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.live import Live
from rich.table import Table

from fcn_lightning.launch.job import Job, State

COLORS = {"running": "cyan", "done": "green", "failed": "red", "stopped": "yellow"}

Remaining = Callable[[Sequence[Job]], float | None]

ESTIMATE_EVERY = 30.0
"""Seconds between two estimates, where there is no terminal."""


class Status:
    """Shows jobs on standard error while it is open, and at its end how many are done."""

    def __init__(self, jobs: Sequence[Job], remaining: Remaining | None = None) -> None:
        self._jobs, self._remaining = jobs, remaining
        self._console = Console(stderr=True, soft_wrap=True, highlight=False)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._told: dict[int, State] = {}
        self._left = self._told_left = ""
        self._asked_at = self._told_at = float("-inf")

    def __enter__(self) -> Status:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()
        self._tell_jobs()
        done = sum(job.state == "done" for job in self._jobs)
        self._console.print(f"{done} of {len(self._jobs)} jobs done")

    def show(self) -> None:
        """Bring what is shown up to date."""
        now = time.monotonic()
        if self._remaining and now - self._asked_at >= 1:
            self._left, self._asked_at = time_left(self._remaining(self._jobs)), now
        if self._live.is_started:
            self._live.update(self._table(), refresh=True)
            return
        self._tell_jobs()
        if self._left not in ("", self._told_left) and now - self._told_at >= ESTIMATE_EVERY:
            self._told_left, self._told_at = self._left, now
            self._console.print(self._left)

    def _tell_jobs(self) -> None:
        for job in self._jobs:
            if job.state != "waiting" and self._told.get(job.number) != job.state:
                self._told[job.number] = job.state
                self._console.print(str(job), markup=False)

    def _table(self) -> Table:
        table = Table("job", "state", caption=self._left or None)
        table.columns[0].overflow = "fold"  # the seed is at the end of the name
        for job in self._jobs:
            name, _, state = str(job).partition(": ")
            table.add_row(name, state, style=COLORS.get(job.state, "dim"))
        return table


def time_left(seconds: float | None) -> str:
    """Say how long a sweep still takes: `about 3 min left, an estimate`; "" for None."""
    return "" if seconds is None else f"about {duration(seconds)} left, an estimate"


def duration(seconds: float) -> str:
    """Round a duration for people: `40 s`, `6 min`, `2.5 h`, `4 days`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.0f} days"
