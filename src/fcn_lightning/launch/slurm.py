"""A sweep on a SLURM cluster: jobs are batch scripts, in the queue after those they start from."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from graphlib import TopologicalSorter
from pathlib import Path

from fcn_lightning.launch.job import Job, SweepFile
from fcn_lightning.runs.folder import invalidate
from fcn_lightning.runs.processes import OF_ANOTHER_RUN, PARENT

SCRIPT = """\
#!/bin/bash
{options}
cd {here} || exit 1
unset SLURM_EXPORT_ENV {unset}
export WANDB_RUN_GROUP={group}
trap : TERM    # the shell waits for the job, which saves itself

srun --kill-on-bad-exit=1 --cpus-per-task="$SLURM_CPUS_PER_TASK" \\
    {command} ${{SLURM_RESTART_COUNT:+resume=auto overwrite=false}}
status=$?

# Requeue a job that has saved itself: it was preempted, or its time is nearly over. A canceled job
# no longer runs. The status does not tell: processes that lose the first one end with their own.
if tail -n 1 {log} | grep -q "stopped by SIGTERM" &&
    scontrol show job "$SLURM_JOB_ID" | grep -q "JobState=RUNNING"; then
    trap "" TERM
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
"""


def submit(jobs: Sequence[Job], folder: Path, options: Mapping[str, object]) -> None:
    """Queue the jobs that wait, and say which; scripts, logs and `sweep.json` are in `folder`.

    `options` are those of sbatch by their long names, such as `partition`.

    Raises:
        ValueError: There is no SLURM, or it refuses a job. None of them is left in the queue then.
    """
    if shutil.which("sbatch") is None:
        raise ValueError("hydra/launcher=slurm needs `sbatch`, which is not on this machine.")
    folder.mkdir(parents=True, exist_ok=True)
    file, ids = SweepFile(folder), list[str]()
    for job in TopologicalSorter({job: job.after for job in jobs}).static_order():
        if job.state != "waiting":
            continue
        job.log = folder / f"{job.number}.log"
        before = [each.slurm_job for each in job.after if each.slurm_job]
        try:
            job.slurm_job = _sbatch(_written(job, folder, options), before)
        except ValueError:
            if ids:
                subprocess.run(["scancel", *ids], check=False)
            raise
        ids.append(job.slurm_job)
        after = f", after {', '.join(before)}" if before else ""
        job.state, job.why = "submitted", f"SLURM job {job.slurm_job}{after}"
        invalidate(job.run)
        file.write(jobs)
    sys.stderr.write("".join(f"{job}\n" for job in jobs))
    sys.stderr.write(f"{len(ids)} of {len(jobs)} jobs submitted, see {folder}\n")


def _sbatch(script: Path, before: Sequence[str]) -> str:
    """Queue a script after some jobs, and return its id."""
    command = ["sbatch", "--parsable", "--kill-on-invalid-dep=yes"]
    if before:
        command.append(f"--dependency=afterok:{':'.join(before)}")
    done = subprocess.run([*command, str(script)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ValueError(
            f"SLURM refused {script}: {' '.join(done.stderr.split())} Set options of sbatch with "
            "hydra.launcher.options."
        )
    return done.stdout.strip().partition(";")[0]


def _written(job: Job, folder: Path, options: Mapping[str, object]) -> Path:
    """Write a job's batch script."""
    needs = job.run.needs
    own: dict[str, object] = {
        "job-name": job.run.name,
        "output": (folder / f"{job.number}.log").resolve(),
        "open-mode": "append",
        "nodes": needs.num_nodes,
        "ntasks-per-node": needs.num_processes // needs.num_nodes,
        "cpus-per-task": job.run.settings.num_workers + 1,
        "signal": "TERM@120",
        "requeue": True,
        **({"gpus-per-node": needs.num_gpus} if needs.num_gpus else {}),
        **{name.replace("_", "-"): value for name, value in options.items()},
    }
    script = SCRIPT.format(
        options="\n".join(
            f"#SBATCH --{name}" if value is True else f"#SBATCH --{name}={shlex.quote(str(value))}"
            for name, value in own.items()
        ),
        here=shlex.quote(os.getcwd()),  # noqa: PTH109 - where relative paths start
        unset=" ".join((PARENT, *OF_ANOTHER_RUN)),
        group=shlex.quote(folder.name),
        command=shlex.join(job.command),
        log=shlex.quote(str(job.run.folder / "train.log")),
    )
    path = folder / f"{job.number}.sh"
    path.write_text(script)
    return path
