"""The jobs of a sweep: what each starts from, and what is refused before one starts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fcn_lightning.launch.job import Job, SweepFile
from launch.conftest import finish

Jobs = Callable[..., list[Job]]


def test_a_job_waits_for_the_jobs_that_it_starts_from_in_any_order(jobs: Jobs) -> None:
    heads = ("fcn8s", "fcn32s", "fcn16s")
    found = jobs(*([f"head={head}", f"seed={seed}"] for seed in (0, 1) for head in heads), first=4)
    assert [job.number for job in found] == [4, 5, 6, 7, 8, 9]
    assert [[each.number for each in job.after] for job in found] == [[6], [], [5], [9], [], [8]]
    assert found[0].run.start == {"": found[2].run.folder}
    assert {job.state for job in found} == {"waiting"}
    assert found[0].command[1:3] == ["-m", "fcn_lightning.cli.train"]
    assert found[0].command[3:] == list(found[0].arguments)
    assert "head=fcn8s" in found[0].arguments


def test_a_stage_before_that_is_neither_there_nor_a_job_is_refused(jobs: Jobs) -> None:
    with pytest.raises(ValueError, match=r"the stage before this one, does not exist\. Train it"):
        jobs(["head=fcn16s"], ["head=fcn32s", "seed=1"])


def test_two_jobs_of_one_run_are_refused(jobs: Jobs) -> None:
    with pytest.raises(ValueError, match=r"^Two jobs of the sweep are the same run: .*/seed0\.$"):
        jobs(["seed=0"], ["seed=0"])


def test_a_run_that_exists_is_refused(jobs: Jobs) -> None:
    (only,) = jobs(["seed=0"])
    finish(only.run.folder)
    with pytest.raises(ValueError, match=r"already exists\. Resume it with resume=true or replace"):
        jobs(["seed=1"], ["seed=0"])


def test_a_key_of_hydra_that_runs_ignore_is_refused(jobs: Jobs) -> None:
    with pytest.raises(ValueError, match=r"^`hydra\.sweep\.subdir` cannot be set: a run's folder "):
        jobs(["seed=0", "hydra.sweep.subdir=x"])


def test_what_is_complete_is_done_and_the_rest_of_a_resumed_sweep_may_start(jobs: Jobs) -> None:
    first = jobs(["seed=0"], ["seed=1"])
    finish(first[0].run.folder, mean_iu=0.1113)
    done, missing = jobs(["seed=0", "resume=true"], ["seed=1", "resume=true"])
    assert (done.state, missing.state) == ("done", "waiting")
    assert str(done) == f"#0 {done.run.name}: done, already complete, mean IU 11.13"
    assert missing.arguments[-1] == "resume=auto"
    assert "resume=true" not in missing.arguments


def test_a_resumed_sweep_of_which_no_run_exists_is_refused(jobs: Jobs) -> None:
    resumed = (["seed=0", "resume=true"], ["seed=1", "resume=true"])
    with pytest.raises(
        ValueError, match=r"^Nothing to resume: no run of the sweep exists\. Leave "
    ):
        jobs(*resumed)
    assert len(jobs(*resumed, first=2)) == 2, "a later part of the sweep"
    assert len(jobs(["seed=0", "resume=auto"], ["seed=1", "resume=auto"])) == 2


def test_interpolations_of_hydras_node_are_those_of_each_job(jobs: Jobs) -> None:
    name = "name=of_${hydra:runtime.choices.head}"
    found = jobs(["head=fcn32s", name], ["head=fcn32s_fixed", name])
    assert [job.run.folder.parts[-3] for job in found] == ["of_fcn32s", "of_fcn32s_fixed"]


def test_sweep_json_is_read_as_it_was_written(jobs: Jobs, tmp_path: Path) -> None:
    stage, first = jobs(["head=fcn16s"], ["head=fcn32s"])
    first.state, first.why, first.seconds, first.log = "failed", "status 2", 3.5, Path("1.log")
    stage.slurm_job = "17"
    SweepFile(tmp_path).write([stage, first])
    written = SweepFile(tmp_path).read()
    assert [entry["after"] for entry in written] == [[1], []]
    assert written[0]["folder"] == str(stage.run.folder)
    assert written[0]["arguments"] == list(stage.arguments)
    assert (written[0]["state"], written[0]["slurm_job"]) == ("waiting", "17")
    expected = {"number": 1, "state": "failed", "why": "status 2", "seconds": 3.5, "log": "1.log"}
    assert {key: written[1][key] for key in expected} == expected


@pytest.mark.parametrize("content", ["[]", '{"format": 3, "jobs": []}'])
def test_sweep_json_of_another_format_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "sweep.json").write_text(content)
    with pytest.raises(ValueError, match=r"sweep\.json is not of format 2: another version wrote"):
        SweepFile(tmp_path).read()
