"""A sweep on this machine: jobs are processes, which share its devices."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fcn_lightning.launch.forks import Fork, ForkServer, can_fork
from fcn_lightning.launch.job import Job, SweepFile
from fcn_lightning.launch.status import Remaining, Status
from fcn_lightning.runs.devices import Needs
from fcn_lightning.runs.folder import invalidate
from fcn_lightning.runs.processes import OF_ANOTHER_RUN, PARENT, end_group
from fcn_lightning.runs.record import is_complete

PATIENCE = 60.0
"""Seconds that a job has to save itself when the sweep is stopped."""

BROKEN = ("failed", "stopped", "not started")
"""States of a job after which those that start from its run cannot start."""


@dataclass(frozen=True)
class Slots:
    """The GPUs that jobs share, named as in CUDA_VISIBLE_DEVICES, and a number of jobs on CPUs."""

    gpus: list[str]
    cpus: int

    def free(self, num_gpus: int, running: Collection[Job]) -> list[str] | None:
        """Return GPUs for a job that needs so many, beside those that run; None while it must wait.

        A job on CPUs needs no GPU, but waits for one of the other slots.
        """
        taken = [gpu for job in running for gpu in job.gpus]
        free = [gpu for gpu in self.gpus if gpu not in taken]
        fits = len(free) >= num_gpus if num_gpus else sum(not j.gpus for j in running) < self.cpus
        return free[:num_gpus] if fits else None

    def check(self, needs: Needs) -> None:
        """Raise a ValueError if a job can never have the devices that it needs."""
        if needs.num_nodes > 1:
            raise ValueError(
                "A local sweep runs on this machine alone; got trainer.num_nodes="
                f"{needs.num_nodes}. Use hydra/launcher=slurm."
            )
        if self.free(needs.num_gpus, []) is None:
            raise ValueError(
                f"`trainer` asks for {needs.num_gpus} GPUs, but a job can have {len(self.gpus)}. "
                "Set trainer.devices."
                if needs.num_gpus
                else f"`hydra.launcher.cpu_slots` must be at least 1; got {self.cpus}."
            )


class LocalSweep:
    """Runs jobs until each is done, has failed, or cannot start because one before it failed.

    `sweep.json` in the sweep's folder has the states of all jobs, `<number>.log` a job's output.
    Jobs get the variables of `environment` beside those of this process. `remaining` estimates
    the seconds until all jobs are done, or returns None.
    """

    def __init__(
        self,
        folder: Path,
        slots: Slots,
        environment: Mapping[str, str] = {},
        remaining: Remaining | None = None,
    ) -> None:
        self.folder, self.slots = folder, slots
        self.environment, self.remaining = environment, remaining
        self.jobs: list[Job] = []
        self._file = SweepFile(folder)
        self._processes: dict[Job, subprocess.Popen[bytes] | Fork] = {}
        self._server: ForkServer | None = None

    def run(self, jobs: Sequence[Job]) -> None:
        """Run jobs to their end; SIGTERM or Ctrl-C stops those that run, and the sweep.

        Raises:
            ValueError: A job needs devices that are not there. Nothing has been started then.
            SystemExit: With 130 or 143, after a signal.
        """
        for job in jobs:
            self.slots.check(job.run.needs)
        self.folder.mkdir(parents=True, exist_ok=True)
        for job in jobs:
            job.log = self.folder / f"{job.number}.log"
            invalidate(job.run)
        self.jobs += jobs
        forks = can_fork(jobs)
        self._server = ForkServer(self._environment(jobs[0])) if forks else None
        with Status(jobs, self.remaining) as status, _collected_signals() as signals:
            try:
                while self._advance() and not signals:
                    status.show()
                    time.sleep(0.1)
            finally:
                self._stop(signals)
                if self._server:
                    self._server.close()
        if signals:
            raise SystemExit(128 + signals[0])

    def _advance(self) -> bool:
        """Start jobs whose turn it is; tell whether there is more to wait for."""
        self._end_finished()
        for job in self.jobs:
            if job.state != "waiting":
                continue
            if broken := [each for each in job.after if each.state in BROKEN]:
                job.state, job.why = "not started", f"{broken[0].run.name} {broken[0].state}"
            elif all(each.state == "done" for each in job.after):
                gpus = self.slots.free(job.run.needs.num_gpus, self._processes)
                if gpus is not None:
                    self._start(job, gpus)
        self._file.write(self.jobs)
        return any(job.state in ("waiting", "running") for job in self.jobs)

    def _start(self, job: Job, gpus: list[str]) -> None:
        assert job.log is not None
        job.gpus = gpus
        if self._server:
            _, _, module, *arguments = job.command
            self._processes[job] = self._server.start(module, arguments, job.log)
        else:
            with job.log.open("ab") as log:
                self._processes[job] = subprocess.Popen(
                    job.command,
                    env=self._environment(job),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # Ctrl-C reaches the sweep alone, which stops its jobs
                )
        job.state, job.started = "running", time.monotonic()

    def _environment(self, job: Job) -> dict[str, str]:
        kept = {name for name in os.environ if not name.startswith("SLURM_")} - {*OF_ANOTHER_RUN}
        environment = {name: os.environ[name] for name in kept}
        environment |= {"WANDB_RUN_GROUP": self.folder.name, **self.environment}
        environment[PARENT] = str(os.getpid())
        if job.gpus:
            environment["CUDA_VISIBLE_DEVICES"] = ",".join(job.gpus)
        elif self.slots.cpus > 1:
            threads = (os.cpu_count() or 1) // (self.slots.cpus * job.run.needs.num_processes)
            environment.setdefault("OMP_NUM_THREADS", str(max(1, threads)))
        return environment

    def _end_finished(self) -> None:
        """Record how processes ended, and kill what they have left behind."""
        for job, process in list(self._processes.items()):
            if (status := process.poll()) is None:
                continue
            complete = is_complete(job.run.folder)
            end_group(process.pid)
            del self._processes[job]
            job.seconds = round(time.monotonic() - job.started, 1)
            if status == 0 and complete:
                job.finish()
            elif status in (128 + signal.SIGTERM, -signal.SIGTERM):
                job.state, job.why = "stopped", "by SIGTERM"
            else:
                how = f"status {status}" if status >= 0 else signal.Signals(-status).name
                job.state, job.why = "failed", f"{how}, see {job.log}"

    def _stop(self, signals: Sequence[int]) -> None:
        """Stop the jobs that run, and kill them where they do not end or after a second signal."""
        for job in self.jobs:
            job.state = "not started" if job.state == "waiting" else job.state
        for process in self._processes.values():
            process.terminate()
        limit = time.monotonic() + PATIENCE
        while self._processes:
            if time.monotonic() > limit or len(signals) > 1:
                for process in self._processes.values():
                    end_group(process.pid, patience=0.0)
            time.sleep(0.05)
            self._end_finished()
        self._file.write(self.jobs)


@contextlib.contextmanager
def _collected_signals() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM in a list, in place of what they do."""
    signals: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(each, lambda number, _: signals.append(number)) for each in numbers]
    try:
        yield signals
    finally:
        for number, handler in zip(numbers, before):
            signal.signal(number, handler)
