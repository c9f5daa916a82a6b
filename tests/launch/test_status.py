"""What a sweep says of its jobs and of the time that is left."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fcn_lightning.launch.job import Job
from fcn_lightning.launch.status import Status, time_left


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        (20.0, "about 20 s left, an estimate"),
        (190.0, "about 3 min left, an estimate"),
        (5340.0, "about 89 min left, an estimate"),
        (9000.0, "about 2.5 h left, an estimate"),
        (300000.0, "about 3 days left, an estimate"),
    ],
)
def test_the_time_left_is_said_in_words(seconds: float | None, words: str) -> None:
    assert time_left(seconds) == words


def test_estimates_are_printed_when_they_change_at_most_every_half_minute(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    clock, asked = [1000.0], list[float]()
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])

    def remaining(jobs: Sequence[Job]) -> float | None:
        asked.append(clock[0])
        return {1000.0: None, 1005.0: 600.0}.get(clock[0], 600.0 - (clock[0] - 1005.0))

    with Status([], remaining) as status:
        for second in (0.0, 0.5, 5.0, 20.0, 34.0, 35.5, 36.0, 64.0, 66.0, 120.0):
            clock[0] = 1000.0 + second
            status.show()
    assert capfd.readouterr().err.splitlines() == [
        "about 10 min left, an estimate",  # at 5 s
        "about 9 min left, an estimate",  # at 36 s, 569 s are left
        "about 8 min left, an estimate",  # at 120 s
        "0 of 0 jobs done",
    ]
    assert 1000.5 not in asked, "asked at most every second"


def test_a_jobs_line_says_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 112.4)
    run: Any = SimpleNamespace(name="fcn32s/seed0")
    job = Job.__new__(Job)
    job.__dict__.update(
        number=0, run=run, state="running", why="", seconds=0.0, mean_iu=None, gpus=["1", "3"],
        log=Path("s/0.log"), started=100.0,
    )  # fmt: skip
    assert str(job) == "#0 fcn32s/seed0: running on GPU 1, 3 for 12 s, see s/0.log"
    job.state, job.mean_iu, job.seconds = "done", 0.1113, 25.3
    assert str(job) == "#0 fcn32s/seed0: done, mean IU 11.13 (25 s)"
    job.state, job.mean_iu, job.why = "failed", None, "status 2, see s/0.log"
    assert str(job) == "#0 fcn32s/seed0: failed, status 2, see s/0.log"
