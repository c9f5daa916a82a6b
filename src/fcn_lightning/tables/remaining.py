"""The time left for a table's runs: an estimate, corrected by what finished runs took."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Mapping, Sequence

from fcn_lightning.launch.job import Job
from fcn_lightning.runs.estimate import Estimate, reached


class Remaining:
    """Estimates the seconds until all jobs are done.

    Args:
        estimates: Of each job's run.
        num_slots: The jobs that can run side by side.
        clock: The clock of `Job.started`.
        wall_clock: The clock of files.
    """

    def __init__(
        self,
        estimates: Mapping[Job, Estimate],
        num_slots: int,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._estimates, self._num_slots = estimates, num_slots
        self._clock, self._wall_clock = clock, wall_clock

    def __call__(self, jobs: Sequence[Job]) -> float:
        factor, now = self.factor(jobs), self._clock()
        whole = {job: factor * self._estimates[job].seconds for job in jobs}
        running = [job for job in jobs if job.state == "running"]
        left = {job: whole[job] - (now - job.started) for job in running}
        left |= {job: whole[job] for job in jobs if job.state == "waiting"}
        return makespan(left, self._num_slots)

    def factor(self, jobs: Sequence[Job]) -> float:
        """Return by which factor the runs so far took longer than estimated; 1 before the first."""
        taken = expected = 0.0
        for job in jobs:
            estimate = self._estimates[job]
            if job.state == "done" and job.seconds:
                taken, expected = taken + job.seconds, expected + estimate.seconds
            elif job.state == "running" and (progress := self._progress(job)):
                step, after = progress
                taken, expected = taken + after, expected + estimate.until(step)
        return taken / expected if expected else 1.0

    def _progress(self, job: Job) -> tuple[int, float] | None:
        """Return the last step that a running job logged, and the seconds from its start to it."""
        found = reached(job.run.folder)
        if found is None:
            return None
        step, logged = found
        after = self._clock() - job.started - (self._wall_clock() - logged)
        is_new = after > 0 and step > self._estimates[job].first_step
        return (step, after) if is_new else None


def makespan(left: Mapping[Job, float], num_slots: int) -> float:
    """Return the seconds until jobs are done that run side by side, each after those it needs.

    Args:
        left: The seconds that each job still takes, in the order in which they start.
        num_slots: The jobs that can run side by side.
    """
    waiting, running, now = list(left), list[tuple[float, int, Job]](), 0.0
    while waiting or running:
        busy = {*waiting, *(job for _, _, job in running)}
        ready = [job for job in waiting if not busy & {*job.after}]
        for job in ready[: num_slots - len(running)]:
            waiting.remove(job)
            heapq.heappush(running, (now + max(left[job], 0.0), job.number, job))
        now, _, _ = heapq.heappop(running)
    return now
