"""A sweep's jobs as processes of their own, side by side on slots, each after its stage before."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from fcn_lightning.cli.errors import InputError
from fcn_lightning.cli.folder import invalidate, is_complete, write_json
from fcn_lightning.cli.plan import Planned
from fcn_lightning.cli.processes import OF_A_JOB_ABOVE, PARENT, end_group
from fcn_lightning.cli.status import Status

State = Literal["waiting", "running", "done", "failed", "not started", "stopped"]

PATIENCE = 60.0
"""Seconds that a job has to save itself, once it is asked to stop."""


@dataclass
class Slots:
    """The devices that jobs may have: GPUs by their names, and places for jobs on CPUs."""

    gpus: list[str]
    cpus: int

    def fit(self, num_gpus: int) -> bool:
        """Whether a job of so many GPUs (0: one on CPUs) can start now."""
        return num_gpus <= len(self.gpus) if num_gpus else self.cpus > 0

    def take(self, num_gpus: int) -> list[str]:
        """Takes the GPUs of a job, or a place on the CPUs."""
        taken, self.gpus = self.gpus[:num_gpus], self.gpus[num_gpus:]
        self.cpus -= not num_gpus
        return taken

    def give_back(self, gpus: list[str]) -> None:
        """Gives back what `take` took."""
        self.gpus = sorted([*self.gpus, *gpus])
        self.cpus += not gpus


@dataclass(eq=False)
class JobOfSweep:
    """One job: what it is, and how it goes."""

    number: int
    planned: Planned
    after: list[JobOfSweep]
    log: Path
    state: State = "waiting"
    why: str = ""
    seconds: float = 0.0
    mean_iu: float | None = None
    gpus: list[str] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0

    @property
    def name(self) -> str:
        """The run's."""
        return self.planned.run.name

    def take_score(self) -> None:
        """Reads the score of a run that is complete."""
        self.state = "done"
        record = json.loads((self.planned.run.folder / "scores.json").read_text())
        self.mean_iu = record["scores"]["mean_iu"]


class Sweep:
    """Jobs, run until each is done, has failed, or cannot start since the one before it failed.

    The state of all of them is in `sweep.json` in the sweep's folder, and each one's output in
    `<number>.log`.
    """

    def __init__(self, folder: Path, slots: Slots) -> None:
        """Takes a folder for the sweep's files, and what jobs run on."""
        self.folder, self.slots = folder, slots
        self._side_by_side = slots.cpus
        self.jobs: list[JobOfSweep] = []
        self._written: list[tuple[State, str]] = []

    def run(self, planned: Sequence[Planned]) -> list[JobOfSweep]:
        """Runs jobs; a signal, or Ctrl-C, asks those at work to stop and ends the sweep.

        Raises:
            InputError: A job needs more than there is.
            SystemExit: With 130 or 143, after a signal.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        jobs = self._add(planned)
        with Status(jobs) as status, _asked() as asked:
            try:
                while self._go_on() and not asked:
                    self._write()
                    status.show()
                    time.sleep(0.1)
            finally:
                self._stop(asked)
                self._write()
        if asked:
            raise SystemExit(128 + asked[0])
        return jobs

    def _add(self, planned: Sequence[Planned]) -> list[JobOfSweep]:
        for each in planned:
            self._must_fit(each)
        jobs: list[JobOfSweep] = []
        for each in planned:
            number = len(self.jobs) + len(jobs)
            jobs.append(JobOfSweep(number, each, [], self.folder / f"{number}.log"))
            if each.run.settings.resume and is_complete(each.run.folder):
                jobs[-1].take_score()
                jobs[-1].why = "before"
            invalidate(each.run)
        for job in jobs:
            job.after = [jobs[place] for place in job.planned.after]
        self.jobs += jobs
        return jobs

    def _must_fit(self, planned: Planned) -> None:
        """Raises an InputError where a job can never have the devices that it needs."""
        if planned.needs.num_nodes > 1:
            raise InputError(
                f"A job of a sweep must run on this machine; `trainer` wants "
                f"{planned.needs.num_nodes}. Use hydra/launcher=slurm."
            )
        if planned.needs.num_gpus == 0 and self._side_by_side < 1:
            raise InputError(
                f"`hydra.launcher.cpu_slots` must be at least 1; got {self._side_by_side}."
            )
        if not self.slots.fit(planned.needs.num_gpus):
            raise InputError(
                f"A job must fit the GPUs that are there ({len(self.slots.gpus)}); `trainer` wants "
                f"{planned.needs.num_gpus}."
            )

    def _go_on(self) -> bool:
        """Ends and starts what can be; whether there is anything left to wait for."""
        for job in self.jobs:
            if job.process is not None and job.process.poll() is not None:
                self._end(job)
        for job in self.jobs:
            if job.state == "waiting":
                self._start_if_possible(job)
        return any(job.state in ("waiting", "running") for job in self.jobs)

    def _start_if_possible(self, job: JobOfSweep) -> None:
        ended_badly = ("failed", "not started", "stopped")
        if broken := [each for each in job.after if each.state in ended_badly]:
            job.state, job.why = "not started", f"{broken[0].name} {broken[0].state}"
            return
        ready = all(each.state == "done" for each in job.after)
        if ready and self.slots.fit(job.planned.needs.num_gpus):
            job.gpus = self.slots.take(job.planned.needs.num_gpus)
            self._start(job)

    def _start(self, job: JobOfSweep) -> None:
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in OF_A_JOB_ABOVE and not name.startswith("SLURM_")
        }
        environment |= {PARENT: str(os.getpid()), "WANDB_RUN_GROUP": self.folder.name}
        if job.gpus:
            environment["CUDA_VISIBLE_DEVICES"] = ",".join(job.gpus)
        elif self._side_by_side > 1:
            sharing = self._side_by_side * job.planned.needs.num_processes
            threads = max(1, (os.cpu_count() or 1) // sharing)
            environment.setdefault("OMP_NUM_THREADS", str(threads))
        with job.log.open("ab") as log:
            job.process = subprocess.Popen(
                [sys.executable, "-m", "fcn_lightning.cli.train", *job.planned.overrides],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        job.state, job.started = "running", time.monotonic()

    def _end(self, job: JobOfSweep) -> None:
        """Takes in how a job ended, and sees to it that none of its processes is left."""
        assert job.process is not None
        status, complete = job.process.returncode, is_complete(job.planned.run.folder)
        end_group(job.process.pid)
        job.seconds = round(time.monotonic() - job.started, 1)
        job.process = None
        self.slots.give_back(job.gpus)
        if status == 0 and complete:
            job.take_score()
        elif status in (128 + signal.SIGTERM, -signal.SIGTERM):
            job.state, job.why = "stopped", "by SIGTERM"
        else:
            how = f"status {status}" if status >= 0 else signal.Signals(-status).name
            job.state, job.why = "failed", f"{how}, see {job.log}"

    def _stop(self, asked: Sequence[int]) -> None:
        """Asks the jobs that are at work to stop; ends them where they don't, or if asked twice."""
        running = {job: job.process for job in self.jobs if job.process is not None}
        for process in running.values():
            process.terminate()
        limit = time.monotonic() + PATIENCE
        while any(process.poll() is None for process in running.values()):
            if time.monotonic() > limit or len(asked) > 1:
                for process in running.values():
                    end_group(process.pid, patience=0.0)
            time.sleep(0.05)
        for job in running:
            self._end(job)
        for job in self.jobs:
            if job.state == "waiting":
                job.state = "not started"

    def _write(self) -> None:
        """Writes `sweep.json` where a state changed."""
        states = [(job.state, job.why) for job in self.jobs]
        if states == self._written:
            return
        self._written = states
        write_json(
            self.folder / "sweep.json",
            [
                {
                    "number": job.number,
                    "overrides": list(job.planned.overrides),
                    "folder": str(job.planned.run.folder),
                    "after": [each.number for each in job.after],
                    "state": job.state,
                    "why": job.why,
                    "seconds": job.seconds,
                    "log": str(job.log),
                }
                for job in self.jobs
            ],
        )


@contextlib.contextmanager
def _asked() -> Iterator[list[int]]:
    """Collects SIGINT and SIGTERM in place of what they do."""
    asked: list[int] = []
    before = {
        number: signal.signal(number, lambda number, frame: asked.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def visible_gpus() -> list[str]:
    """The GPUs that jobs may be given, by the names that CUDA_VISIBLE_DEVICES takes."""
    import torch

    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name]
    return [str(index) for index in range(torch.cuda.device_count())]
