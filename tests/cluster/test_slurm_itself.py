"""The cluster of the tests does what SLURM does."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster import slurm as harness
from cluster.slurm import Cluster, cluster

pytestmark = pytest.mark.slow

# Each start says its number; the first one waits for a signal, and leaves as if it had saved all.
STOPPABLE = """
trap 'echo stopped; exit 143' TERM
echo "start ${SLURM_RESTART_COUNT:-0}"
[ -n "$SLURM_RESTART_COUNT" ] && exit 0
sleep 60 & wait
"""

# The same as a step of the job.
STEP = f"""
srun -n1 bash -c '{STOPPABLE.replace("'", '"')}' || code=$?
"""


def test_srun_starts_its_tasks(slurm: Cluster) -> None:
    printed = slurm.run("srun", "-n2", "bash", "-c", "echo $SLURM_PROCID of $SLURM_NTASKS")
    assert sorted(printed.splitlines()) == ["0 of 2", "1 of 2"]


def test_afterok_waits_for_success(slurm: Cluster) -> None:
    first = slurm.submit("sleep 1")
    second = slurm.submit("echo second", f"--dependency=afterok:{first}")
    assert slurm.job(second)["Reason"] == "Dependency"
    assert slurm.ended(second) == "COMPLETED"
    assert slurm.job(first)["JobState"] == "COMPLETED"


def test_afterok_is_cancelled_by_failure(slurm: Cluster) -> None:
    first = slurm.submit("sleep 1; exit 3")
    second = slurm.submit("echo second", f"--dependency=afterok:{first}")
    assert slurm.ended(second) == "CANCELLED"
    assert slurm.job(first)["ExitCode"] == "3:0"
    assert slurm.output(second) == ""


def lines(slurm: Cluster, job: str) -> list[str]:
    """What the job's own processes have printed."""
    printed = slurm.output(job).splitlines()
    return [line for line in printed if not line.startswith(("srun", "slurmstepd"))]


def preempt(slurm: Cluster, job: str) -> None:
    """Have the job stopped, once it has started, by one that needs the whole node."""
    slurm.printed(job, "start 0")
    assert slurm.ended(slurm.submit("sleep 1", "--partition=high", "--exclusive")) == "COMPLETED"


def test_a_preempted_job_starts_again(slurm: Cluster) -> None:
    job = slurm.submit(STOPPABLE)
    preempt(slurm, job)
    assert slurm.ended(job) == "COMPLETED"
    assert lines(slurm, job) == ["start 0", "stopped", "start 1"]
    assert slurm.job(job)["Restarts"] == "1"


def test_a_job_that_ends_in_its_grace_time_has_failed(slurm: Cluster) -> None:
    job = slurm.submit(f"{STEP} exit $code", "--partition=graceful")
    preempt(slurm, job)
    assert slurm.ended(job) == "FAILED"
    assert slurm.job(job)["ExitCode"] == "143:0"
    assert lines(slurm, job) == ["start 0", "stopped"]


def test_a_job_that_requeues_itself_in_its_grace_time_starts_again(slurm: Cluster) -> None:
    requeue = "[ -z $code ] || scontrol requeue $SLURM_JOB_ID"
    job = slurm.submit(f"{STEP} {requeue}", "--partition=graceful")
    preempt(slurm, job)
    assert slurm.ended(job) == "COMPLETED"
    assert lines(slurm, job) == ["start 0", "stopped", "start 1"]


def test_none_of_its_processes_is_left(slurm: Cluster, tmp_path: Path) -> None:
    with cluster(tmp_path, cpus=1) as other:
        job = other.submit("nohup sleep 60 & trap '' TERM; echo started; sleep 60; sleep 60")
        other.printed(job, "started")
        assert len(other.processes()) >= 6  # three daemons, and the job's step and shells
    assert other.processes() == []
    assert "idle" in slurm.run("sinfo", "--noheader", "--format=%T")  # beside it, the other runs on


def test_a_failed_command_says_why(slurm: Cluster) -> None:
    with pytest.raises(RuntimeError, match=r"show job 999 exited with 1: .*Invalid job id"):
        slurm.job("999")


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "PATH", "")
    assert harness.missing() == (
        "SLURM needs munged, slurmctld, slurmd, sbatch: apt-get install slurm-wlm munge"
    )
