"""A sweep's jobs on a SLURM cluster: one batch script each, in the queue after its stage before."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from omegaconf import DictConfig

from fcn_lightning.cli.errors import InputError
from fcn_lightning.cli.folder import invalidate, is_complete, write_json
from fcn_lightning.cli.plan import Planned
from fcn_lightning.cli.processes import OF_A_JOB_ABOVE
from fcn_lightning.cli.trainer import Needs

SCRIPT = """\
#!/bin/bash
{options}
cd {here} || exit 1
unset SLURM_EXPORT_ENV {above}
export WANDB_RUN_GROUP={group}
trap : TERM    # the shell waits for the job, which saves itself

srun --kill-on-bad-exit=1 --cpus-per-task="$SLURM_CPUS_PER_TASK" \\
    {command} ${{SLURM_RESTART_COUNT:+resume=true overwrite=false}}
status=$?

# Stopped, and saved: by preemption or near the end of its time. Cancelled jobs no longer run. What
# its other processes end with, as they lose the first, is no matter.
if tail -n 1 {log} | grep -q "stopped by SIGTERM" &&
    scontrol show job "$SLURM_JOB_ID" | grep -q "JobState=RUNNING"; then
    trap "" TERM
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
"""


def declared_needs(config: DictConfig) -> Needs:
    """What the trainer of a config says that it runs on, since this machine may have other devices.

    Raises:
        InputError: It does not say it in numbers.
    """
    trainer = config.trainer
    if trainer.accelerator not in ("cpu", "gpu", "cuda") or not (
        isinstance(trainer.devices, int) and trainer.devices > 0
    ):
        raise InputError(
            "A job of a cluster must say what it runs on; `trainer` has "
            f"accelerator={trainer.accelerator} and devices={trainer.devices}. Use trainer=gpu, "
            "trainer=ddp with trainer.devices=N for N GPUs, or trainer=cpu."
        )
    num_gpus = 0 if trainer.accelerator == "cpu" else trainer.devices
    return Needs(trainer.devices * trainer.num_nodes, num_gpus, trainer.num_nodes)


def submit(
    planned: Sequence[Planned], folder: Path, first: int, options: Mapping[str, object]
) -> dict[int, str]:
    """Puts jobs into the queue; returns SLURM's id of each by its place in the plan.

    Jobs that are complete are left out.

    Args:
        planned: The jobs.
        folder: For batch scripts, logs and `sweep.json`.
        first: The number of the first job.
        options: sbatch's own, such as `partition`, by their long names.

    Raises:
        InputError: There is no SLURM here, or it refuses a job; then none is left in the queue.
    """
    if shutil.which("sbatch") is None:
        raise InputError("hydra/launcher=slurm must find `sbatch`; it is not on this machine.")
    folder.mkdir(parents=True, exist_ok=True)
    ids: dict[int, str] = {}
    for place in _in_order(planned):
        job = planned[place]
        if job.run.settings.resume and is_complete(job.run.folder):
            continue
        script = folder / f"{first + place}.sh"
        script.write_text(_script(job, folder, first + place, options))
        before = [ids[other] for other in job.after if other in ids]
        try:
            ids[place] = _sbatch(script, before)
        except InputError:
            if ids:
                subprocess.run(["scancel", *ids.values()], check=False)
            raise
        invalidate(job.run)
        _write(planned, folder, first, ids)
    return ids


def _in_order(planned: Sequence[Planned]) -> list[int]:
    """Places in the plan, each after those that it starts from."""
    order: list[int] = []
    while len(order) < len(planned):
        order += [
            place
            for place, job in enumerate(planned)
            if place not in order and all(other in order for other in job.after)
        ]
    return order


def _script(job: Planned, folder: Path, number: int, options: Mapping[str, object]) -> str:
    needs, run = job.needs, job.run
    own: dict[str, object] = {
        "job-name": run.name,
        "output": (folder / f"{number}.log").resolve(),
        "open-mode": "append",
        "nodes": needs.num_nodes,
        "ntasks-per-node": needs.num_processes // needs.num_nodes,
        "cpus-per-task": run.settings.num_workers + 1,
        "signal": "TERM@120",
    }
    if needs.num_gpus:
        own["gpus-per-node"] = needs.num_gpus
    own |= {name.replace("_", "-"): value for name, value in options.items()}
    lines = [
        f"#SBATCH --{name}" if value is True else f"#SBATCH --{name}={shlex.quote(str(value))}"
        for name, value in own.items()
    ]
    command = [sys.executable, "-m", "fcn_lightning.cli.train", *job.overrides]
    return SCRIPT.format(
        options="\n".join([*lines, "#SBATCH --requeue"]),
        here=shlex.quote(os.getcwd()),  # noqa: PTH109 - where relative paths start
        above=" ".join(OF_A_JOB_ABOVE),
        group=shlex.quote(folder.name),
        command=shlex.join(command),
        log=shlex.quote(str(run.folder / "train.log")),
    )


def _sbatch(script: Path, before: Sequence[str]) -> str:
    command = ["sbatch", "--parsable", "--kill-on-invalid-dep=yes"]
    if before:
        command.append(f"--dependency=afterok:{':'.join(before)}")
    done = subprocess.run([*command, str(script)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(
            f"SLURM must take {script}; it does not: {' '.join(done.stderr.split())} Set its "
            "options by hydra.launcher.options."
        )
    return done.stdout.strip().partition(";")[0]


def _write(planned: Sequence[Planned], folder: Path, first: int, ids: Mapping[int, str]) -> None:
    """Writes `sweep.json`: what was submitted."""
    write_json(
        folder / "sweep.json",
        [
            {
                "number": first + place,
                "overrides": list(planned[place].overrides),
                "folder": str(planned[place].run.folder),
                "after": [first + other for other in planned[place].after],
                "slurm_job": job,
                "log": str(folder / f"{first + place}.log"),
            }
            for place, job in sorted(ids.items())
        ],
    )
