"""A job of a sweep, and `sweep.json`, which has the states of all jobs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from fcn_lightning.files import replacing
from fcn_lightning.runs.record import read_record
from fcn_lightning.runs.run import Run

State = Literal["waiting", "running", "submitted", "done", "failed", "stopped", "not started"]


@dataclass(eq=False)
class Job:
    """One run of a sweep, the command that makes it, and its state.

    Attributes:
        after: The jobs whose runs it starts from.
        why: The cause of its state.
        gpus: Names of the GPUs that it runs on, as CUDA_VISIBLE_DEVICES takes them.
        log: The file of its output.
    """

    number: int
    run: Run
    arguments: tuple[str, ...]
    after: list[Job] = field(default_factory=list)
    state: State = "waiting"
    why: str = ""
    seconds: float = 0.0
    mean_iu: float | None = None
    gpus: list[str] = field(default_factory=list)
    log: Path | None = None
    slurm_job: str | None = None
    started: float = 0.0

    @property
    def command(self) -> list[str]:
        """The command line of the job's process."""
        return [sys.executable, "-m", "fcn_lightning.cli.train", *self.arguments]

    def finish(self, why: str = "") -> None:
        """Take the score of a finished run."""
        self.state, self.why = "done", why
        self.mean_iu = read_record(self.run.folder).scores["mean_iu"]

    def __str__(self) -> str:
        """`#0 fcn32s/seed0: done, mean IU 11.13 (25 s)`."""
        words = f"{self.state}, {self.why}" if self.why else self.state
        if self.state == "running":
            on = f" on GPU {', '.join(self.gpus)}" if self.gpus else ""
            words = f"running{on} for {time.monotonic() - self.started:.0f} s, see {self.log}"
        score = "" if self.mean_iu is None else f", mean IU {100 * self.mean_iu:.2f}"
        lasted = f" ({self.seconds:.0f} s)" if self.state == "done" and self.seconds else ""
        return f"#{self.number} {self.run.name}: {words}{score}{lasted}"


class SweepFile:
    """`sweep.json` in a sweep's folder. Format 1 was a list of jobs without a format."""

    FORMAT = 2
    SAME = ("number", "arguments", "state", "why", "seconds", "mean_iu", "slurm_job")

    def __init__(self, folder: Path) -> None:
        self.path = folder / "sweep.json"
        self._written: dict[str, Any] = {}

    def write(self, jobs: Sequence[Job]) -> None:
        """Write the file where a job has changed; it is whole or absent."""
        content = {"format": self.FORMAT, "jobs": [self._entry(job) for job in jobs]}
        if content != self._written:
            with replacing(self.path) as temporary:
                temporary.write_text(json.dumps(content, indent=1) + "\n")
            self._written = content

    def read(self) -> list[dict[str, Any]]:
        """Return what was written of each job; `after` has the numbers of other jobs.

        Raises:
            ValueError: The file has another format.
        """
        content = json.loads(self.path.read_text())
        if not isinstance(content, dict) or content.get("format") != self.FORMAT:
            raise ValueError(
                f"{self.path} is not of format {self.FORMAT}: another version wrote it."
            )
        jobs: list[dict[str, Any]] = content["jobs"]
        return jobs

    def _entry(self, job: Job) -> dict[str, Any]:
        places = {"folder": str(job.run.folder), "log": str(job.log)}
        same = {name: getattr(job, name) for name in self.SAME}
        return {**same, **places, "after": [each.number for each in job.after]}
