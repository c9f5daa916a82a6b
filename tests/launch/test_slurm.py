"""What is put into the queue of a cluster, by an `sbatch` that only writes down what it gets.

tests/cluster/test_slurm_sweep.py has a real cluster.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from fcn_lightning.launch.job import Job, SweepFile
from fcn_lightning.launch.slurm import submit
from fcn_lightning.runs.devices import Needs
from hydra_plugins.fcn_launcher.launchers import SlurmLauncher
from launch.conftest import finish

Jobs = Callable[..., list[Job]]
Calls = Callable[[], list[str]]

SBATCH = """\
#!/bin/bash
echo "$0 $*" >> {calls}
[[ "$0" == *scancel ]] && exit
[[ "$*" == */{refused}.sh ]] && echo "sbatch: error: invalid partition specified: no" >&2 && exit 1
echo "$((100 + $(grep -c sbatch {calls})));cluster"
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Puts `sbatch` and `scancel` in front of the PATH; returns how they were called."""
    folder, calls = tmp_path / "bin", tmp_path / "calls"
    folder.mkdir()
    for name in ("sbatch", "scancel"):
        (folder / name).write_text(SBATCH.format(calls=calls, refused="13"))
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return lambda: [line.rpartition("/bin/")[2] for line in calls.read_text().splitlines()]


def test_jobs_are_queued_after_those_that_they_start_from(
    calls: Calls, jobs: Jobs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (complete,) = jobs(["head=fcn8s_at_once"])
    finish(complete.run.folder, mean_iu=0.1113)
    heads = ("fcn16s", "fcn32s", "fcn8s_at_once")
    own = jobs(*([f"head={head}", "resume=true"] for head in heads))
    submit(own, Path("sweep"), {"partition": "gpu", "time": "24:00:00", "mem_per_cpu": "2 G"})
    common = "sbatch --parsable --kill-on-invalid-dep=yes"
    assert calls() == [f"{common} sweep/1.sh", f"{common} --dependency=afterok:101 sweep/0.sh"]
    stage, first, done = (job.run.name for job in own)
    assert capsys.readouterr().err.splitlines() == [
        f"#0 {stage}: submitted, SLURM job 102, after 101",
        f"#1 {first}: submitted, SLURM job 101",
        f"#2 {done}: done, already complete, mean IU 11.13",
        "2 of 3 jobs submitted, see sweep",
    ]
    written = SweepFile(Path("sweep")).read()
    assert [entry["slurm_job"] for entry in written] == ["102", "101", None]
    assert [entry["state"] for entry in written] == ["submitted", "submitted", "done"]
    assert [entry["after"] for entry in written] == [[1], [], []]


def test_a_batch_script_has_what_its_job_needs(calls: Calls, jobs: Jobs, tmp_path: Path) -> None:
    (job,) = jobs(["seed=0", "num_workers=3"])
    job.run = replace(job.run, needs=Needs(num_processes=8, num_gpus=4, num_nodes=2))
    submit([job], Path("sweep"), {"time": 10, "mem_per_cpu": "2 G", "exclusive": True})
    lines = Path("sweep/0.sh").read_text().splitlines()
    options = [line.removeprefix("#SBATCH --") for line in lines if line.startswith("#SBATCH")]
    assert options == [
        f"job-name={job.run.name}", f"output={tmp_path}/sweep/0.log", "open-mode=append",
        "nodes=2", "ntasks-per-node=4", "cpus-per-task=4", "signal=TERM@120", "requeue",
        "gpus-per-node=4", "time=10", "mem-per-cpu='2 G'", "exclusive",
    ]  # fmt: skip
    (unset,) = (line.split()[1:] for line in lines if line.startswith("unset"))
    assert {"SLURM_EXPORT_ENV", "FCN_LIGHTNING_PARENT", "RANK", "LOCAL_RANK"} <= {*unset}
    assert f"cd {tmp_path} || exit 1" in lines
    assert "export WANDB_RUN_GROUP=sweep" in lines
    (command,) = (line for line in lines if "fcn_lightning.cli.train" in line)
    assert command.endswith("${SLURM_RESTART_COUNT:+resume=auto overwrite=false}")
    assert shlex.split(command)[: len(job.command)] == job.command


def test_a_sweep_that_is_refused_in_part_leaves_nothing_in_the_queue(
    calls: Calls, jobs: Jobs
) -> None:
    own = jobs(["seed=0"], ["seed=1"], first=1)
    own[1].number = 13
    with pytest.raises(ValueError, match=r".") as error:
        submit(own, Path("sweep"), {})
    assert str(error.value) == (
        "SLURM refused sweep/13.sh: sbatch: error: invalid partition specified: no Set options of "
        "sbatch with hydra.launcher.options."
    )
    assert calls()[-1] == "scancel 101"


def test_scores_that_are_replaced_are_removed_once_the_job_is_queued(
    calls: Calls, jobs: Jobs
) -> None:
    (job,) = jobs(["seed=0"])
    finish(job.run.folder)
    submit(jobs(["seed=0", "overwrite=true"]), Path("sweep"), {})
    assert not (job.run.folder / "scores.json").exists()


def test_without_slurm_nothing_is_submitted(
    jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (job,) = jobs(["seed=0"])
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match="needs `sbatch`, which is not on this machine"):
        submit([job], tmp_path / "sweep", {})
    assert not (tmp_path / "sweep").exists()


def test_a_search_is_not_left_in_a_queue() -> None:
    launcher = SlurmLauncher(OmegaConf.create({}))
    sweeper = {"_target_": "hydra_plugins.hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper"}
    launcher.config = OmegaConf.create({"hydra": {"sweep": {"dir": "s"}, "sweeper": sweeper}})
    with pytest.raises(ValueError, match=r".") as error:
        launcher.launch([["experiment=shapes"]], 0)
    assert str(error.value) == (
        "A search waits for its jobs, and hydra/launcher=slurm does not. Use hydra/launcher=local."
    )
