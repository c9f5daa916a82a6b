"""Training the missing runs of a table, with an estimate of how long that takes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import torch

from fcn_lightning.launch.graph import arguments_of, job_graph
from fcn_lightning.launch.job import Job
from fcn_lightning.launch.local import LocalSweep, Slots
from fcn_lightning.runs.devices import visible_gpus
from fcn_lightning.runs.estimate import Estimate, reached
from fcn_lightning.runs.timing import drawing_seconds, images_of, step_seconds
from fcn_lightning.tables.plan import Planned, Wanted
from fcn_lightning.tables.remaining import Remaining

TIMING = 10.0
"""Seconds after which no further network is timed: it counts as the slowest of those before."""


def jobs_of(planned: Sequence[Planned]) -> list[Job]:
    """Describe the jobs of planned runs, in the order of the stages.

    Raises:
        ValueError: A run cannot start.
    """
    if not planned:
        return []
    arguments = [arguments_of(each.config, each.overrides) for each in planned]
    return job_graph([each.config for each in planned], arguments)


def remaining(jobs: Sequence[Job], startup: float) -> Remaining:
    """Time the networks of some jobs, and return what estimates their duration.

    Args:
        jobs: The jobs, none of which has been started.
        startup: The seconds until a process is ready to train.
    """
    needs, began = jobs[0].run.needs, time.perf_counter()
    timed: dict[str, Estimate] = {}
    estimates: dict[Job, Estimate] = {}
    drawing = drawing_seconds(jobs[0].run)
    for job in jobs:
        variant = f"{job.run.experiment}/{job.run.variant}"
        if variant not in timed:
            if timed and time.perf_counter() - began > TIMING:
                timed[variant] = max(timed.values(), key=lambda each: each.seconds)
            else:
                timed[variant] = _estimate(job, startup)
        done = reached(job.run.folder) if job.run.settings.resume else None
        estimates[job] = replace(timed[variant], first_step=done[0] if done else 0)
    estimates[jobs[0]] = replace(estimates[jobs[0]], startup=startup + drawing)
    if needs.num_gpus:
        torch.cuda.empty_cache()  # the jobs need the memory
    return Remaining(estimates, _num_slots(needs.num_gpus))


def train(wanted: Wanted, jobs: Sequence[Job], estimate: Remaining | None) -> None:
    """Run jobs to their end, on all GPUs or one after the other, with W&B offline.

    Raises:
        SystemExit: With 130 or 143, after a signal.
    """
    name = f"{wanted.table.file_name}-{wanted.data}"
    folder = wanted.runs / "sweeps" / f"{name}-{time.strftime('%Y-%m-%d_%H-%M-%S')}"
    environment = {"WANDB_MODE": "offline", "WANDB_RUN_GROUP": name}
    LocalSweep(folder, Slots(visible_gpus(), 1), environment, estimate).run(jobs)


def _estimate(job: Job, startup: float) -> Estimate:
    run = job.run
    images = images_of(run)
    step, image = step_seconds(run, images)
    scoring = image * images.num_scored / run.needs.num_processes
    return Estimate(startup, step, scoring, run.recipe.max_steps, run.recipe.val_every)


def _num_slots(num_gpus: int) -> int:
    return max(1, len(visible_gpus()) // num_gpus) if num_gpus else 1
