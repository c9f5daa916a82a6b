import os
from pathlib import Path

import pytest

from fcn_lightning.launch.job import Job
from fcn_lightning.launch.status import duration
from fcn_lightning.runs.estimate import Estimate
from fcn_lightning.runs.run import Run
from fcn_lightning.tables.remaining import Remaining, makespan

ESTIMATE = Estimate(10.0, 0.5, 6.0, max_steps=100, val_every=40)  # 84 s


class Clocks:
    """Clocks of which each shows what it is set to: of this process, and of files."""

    now = 1000.0
    wall = 50_000.0


def jobs_of(count: int, folder: Path) -> list[Job]:
    runs = [object.__new__(Run) for _ in range(count)]
    for number, run in enumerate(runs):
        object.__setattr__(run, "folder", folder / str(number))
    return [Job(number, run, ()) for number, run in enumerate(runs)]


def remaining(jobs: list[Job], clocks: Clocks, num_slots: int = 1) -> Remaining:
    return Remaining(
        dict.fromkeys(jobs, ESTIMATE), num_slots, lambda: clocks.now, lambda: clocks.wall
    )


def log_step(job: Job, step: int, at: float) -> None:
    job.run.folder.mkdir(exist_ok=True)
    (job.run.folder / "metrics.csv").write_text(f"step,loss\n0,1.0\n{step},0.5\n")
    os.utime(job.run.folder / "metrics.csv", (at, at))


def test_at_the_start_the_estimates_are_added(tmp_path: Path):
    jobs = jobs_of(3, tmp_path)
    assert remaining(jobs, Clocks())(jobs) == 3 * 84
    assert remaining(jobs, Clocks(), num_slots=2)(jobs) == 2 * 84


def test_jobs_that_are_done_correct_those_that_follow(tmp_path: Path):
    clocks, jobs = Clocks(), jobs_of(3, tmp_path)
    left = remaining(jobs, clocks)
    jobs[0].state, jobs[0].seconds = "done", 126.0  # 1.5 times 84
    assert left(jobs) == pytest.approx(2 * 126)
    jobs[1].state, jobs[1].started = "running", 980.0
    assert left(jobs) == pytest.approx(106 + 126)
    jobs[1].state, jobs[1].seconds = "done", 42.0  # twice 84 in 168 s
    assert left(jobs) == pytest.approx(84)


def test_the_step_of_a_running_job_corrects_its_own_estimate(tmp_path: Path):
    clocks, jobs = Clocks(), jobs_of(1, tmp_path)
    left = remaining(jobs, clocks)
    jobs[0].state, jobs[0].started = "running", 950.0
    assert left(jobs) == 84 - 50
    log_step(jobs[0], 40, at=clocks.wall - 5)
    # 36 s were estimated until step 40; it took 45 s, so that the whole takes 105 s
    assert left(jobs) == pytest.approx(105 - 50)
    log_step(jobs[0], 40, at=clocks.wall - 500)  # by a process before it
    assert left(jobs) == 84 - 50


def test_a_job_that_takes_longer_than_estimated_is_about_to_end(tmp_path: Path):
    clocks, jobs = Clocks(), jobs_of(1, tmp_path)
    jobs[0].state, jobs[0].started = "running", 0.0
    assert remaining(jobs, clocks)(jobs) == 0


def test_jobs_that_failed_and_those_that_need_them_take_no_time(tmp_path: Path):
    jobs = jobs_of(3, tmp_path)
    jobs[0].state, jobs[0].seconds, jobs[1].state = "failed", 1.0, "not started"
    assert remaining(jobs, Clocks())(jobs) == 84


def test_jobs_wait_for_those_that_they_need_and_for_a_slot(tmp_path: Path):
    # 0 -> 1, and 2 alone
    jobs = jobs_of(3, tmp_path)
    jobs[1].after = [jobs[0]]
    left = dict(zip(jobs, (10.0, 20.0, 5.0)))
    assert makespan(left, 1) == 35
    assert makespan(left, 2) == 30
    assert makespan(left | {jobs[2]: 40.0}, 2) == 40
    assert makespan({jobs[1]: 20.0}, 1) == 20, "what it needs is done"
    assert makespan({}, 1) == 0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(41.3, "41 s"), (370.0, "6 min"), (5399.0, "90 min"), (9000.0, "2.5 h"), (1e6, "12 days")],
)
def test_durations_are_rounded(seconds: float, words: str):
    assert duration(seconds) == words
