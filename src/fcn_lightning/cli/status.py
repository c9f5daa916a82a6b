"""How a sweep's jobs go: a table while it works, or lines where there is no terminal."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.table import Table

if TYPE_CHECKING:
    from fcn_lightning.cli.sweep import JobOfSweep

COLOURS = {"running": "cyan", "done": "green", "failed": "red", "stopped": "yellow"}


class Status:
    """Shows the jobs on standard error, from its beginning to its end."""

    def __init__(self, jobs: Sequence[JobOfSweep]) -> None:
        self._jobs = jobs
        self._console = Console(stderr=True, soft_wrap=True, highlight=False)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._told: dict[int, str] = {}

    def __enter__(self) -> Status:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.stop()
        self.show()
        done = [job for job in self._jobs if job.state == "done"]
        self._console.print(f"{len(done)} of {len(self._jobs)} jobs done")

    def show(self) -> None:
        """Brings what is shown up to date."""
        if self._live.is_started:
            self._live.update(self._table(), refresh=True)
            return
        for job in self._jobs:
            if job.state != "waiting" and self._told.get(job.number) != job.state:
                self._told[job.number] = job.state
                self._console.print(f"#{job.number} {job.name}: {in_words(job)}", markup=False)

    def _table(self) -> Table:
        table = Table("")
        table.add_column("job", overflow="fold")  # the seed stands at its end
        table.add_column("state")
        for job in self._jobs:
            table.add_row(
                str(job.number), job.name, in_words(job), style=COLOURS.get(job.state, "dim")
            )
        return table


def in_words(job: JobOfSweep) -> str:
    """A job's state, with what is known of it."""
    if job.state == "running":
        on = f" on GPU {', '.join(job.gpus)}" if job.gpus else ""
        if job.process is not None:
            return f"running{on} for {time.monotonic() - job.started:.0f} s, see {job.log}"
    words = f"{job.state}, {job.why}" if job.why else job.state
    if job.state == "done":
        score = "" if job.mean_iu is None else f", mean IU {100 * job.mean_iu:.2f}"
        return words + score + (f" ({job.seconds:.0f} s)" if job.seconds else "")
    return words
