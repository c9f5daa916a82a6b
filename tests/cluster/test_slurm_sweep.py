"""Sweeps in the queue of a real cluster: stages, failures, preemption."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cluster.processes import wait_until
from cluster.slurm import Cluster
from fcn_lightning.launch.job import SweepFile

pytestmark = pytest.mark.slow

Tiny = Callable[..., list[str]]


def sweep(slurm: Cluster, *overrides: str, partition: str = "low") -> list[dict[str, object]]:
    """Submits a sweep by the real command, and returns the jobs of its `sweep.json`."""
    command = [sys.executable, "-m", "fcn_lightning.cli.train", "-m", "hydra/launcher=slurm"]
    done = subprocess.run(
        [*command, f"+hydra.launcher.options={{partition:{partition},time:10}}", *overrides],
        env={**slurm.environment, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (runs,) = (o.partition("=")[2] for o in overrides if o.startswith("paths.runs="))
    return SweepFile(max(Path(runs).glob("sweeps/*/sweep.json")).parent).read()


def log_of(job: dict[str, object]) -> str:
    path = Path(str(job["log"]))
    return path.read_text() if path.is_file() else ""


@pytest.mark.parametrize("partition", ["low", "graceful"])
def test_a_preempted_stage_goes_on_and_the_next_one_follows(
    partition: str, slurm: Cluster, tiny: Tiny
) -> None:
    """SLURM requeues the first itself at once; in the grace time the job's script does."""
    own = ("experiment=shapes", "head=fcn16s,fcn32s", "recipe.max_steps=600", "augment.crop=64")
    ddp = ("trainer=ddp_cpu", "trainer.devices=2", "recipe.val_every=600")
    second, first = sweep(slurm, *tiny(*own, *ddp), partition=partition)
    one, two = str(first["slurm_job"]), str(second["slurm_job"])
    assert second["after"] == [1]
    assert slurm.job(two)["Dependency"].startswith(f"afterok:{one}")

    wait_until(lambda: "step 60 of 600" in log_of(first), 300, "the first stage is at work")
    high = slurm.submit("sleep 1", "--partition=high", "--exclusive")
    assert slurm.ended(two, timeout=600) == "COMPLETED"
    assert slurm.ended(high) == "COMPLETED"
    states = [slurm.job(job) for job in (one, two)]
    assert [state["JobState"] for state in states] == ["COMPLETED"] * 2
    assert [state["Restarts"] for state in states] == ["1", "0"]
    assert "stopped by SIGTERM at step" in log_of(first)
    for job in (first, second):
        record = json.loads((Path(str(job["folder"])) / "scores.json").read_text())
        assert (record["step"], record["num_processes"], record["num_images"]) == (600, 2, 5)
    lines = (Path(str(first["folder"])) / "metrics.csv").read_text().splitlines()
    steps = [line.partition(",")[0] for line in lines[1:] if line.split(",")[1]]
    assert steps == [str(step) for step in range(30, 601, 30)], "each once, though it was stopped"


def test_a_stage_that_fails_cancels_the_next_one(slurm: Cluster, tiny: Tiny) -> None:
    own = ("head=fcn32s,fcn16s", "recipe.lr=1e30", "recipe.optimizer=sgd", "recipe.clip=null")
    first, second = sweep(slurm, *tiny("experiment=shapes", *own, "recipe.max_steps=9"))
    assert slurm.ended(str(second["slurm_job"])) == "CANCELLED"
    assert slurm.job(str(first["slurm_job"]))["ExitCode"] == "2:0"
    assert "is not finite at step" in log_of(first)
    assert not Path(str(second["folder"])).exists()


def test_a_cancelled_job_does_not_come_back(slurm: Cluster, tiny: Tiny) -> None:
    own = ("experiment=shapes", "recipe.max_steps=2000", "recipe.val_every=2000")
    (job,) = sweep(slurm, *tiny(*own, "augment.crop=64"))
    wait_until(lambda: "step 200 of" in log_of(job), 300, "the job is at work")
    slurm.run("scancel", str(job["slurm_job"]))
    assert slurm.ended(str(job["slurm_job"])) == "CANCELLED"
    wait_until(lambda: "stopped by SIGTERM" in log_of(job), 30, "the job has saved itself")
    assert slurm.job(str(job["slurm_job"]))["Restarts"] == "0"
    last = Path(str(job["folder"])) / "checkpoints" / "last.ckpt"
    assert last.is_file()


def test_what_slurm_refuses_leaves_nothing_in_the_queue(slurm: Cluster, tiny: Tiny) -> None:
    command = [sys.executable, "-m", "fcn_lightning.cli.train", "-m", "hydra/launcher=slurm"]
    own = ["+hydra.launcher.options.partition=nowhere", *tiny("experiment=shapes", "seed=0,1")]
    done = subprocess.run(
        [*command, *own], env=slurm.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "invalid partition specified: nowhere" in done.stderr
    assert done.stderr.endswith("Set options of sbatch with hydra.launcher.options.\n")
    assert slurm.run("squeue", "--noheader") == ""
