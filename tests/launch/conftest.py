"""What the tests of sweeps share: jobs, and finished runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from fcn_lightning.launch.graph import job_graph
from fcn_lightning.launch.job import Job
from fcn_lightning.runs.compose import compose
from fcn_lightning.runs.record import Record

Tiny = Callable[..., list[str]]
Jobs = Callable[..., list[Job]]


@pytest.fixture
def jobs(tiny: Tiny) -> Jobs:
    """Describes jobs by the overrides that each has beside those of `tiny`."""

    def graph(*own: Sequence[str], first: int = 0) -> list[Job]:
        overrides = [tiny("experiment=shapes", *each) for each in own]
        return job_graph([compose(each) for each in overrides], overrides, first)

    return graph


def finish(folder: Path, mean_iu: float = 0.5) -> None:
    """Write the record of a finished run."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scores.json").write_text(record(mean_iu))


def record(mean_iu: float) -> str:
    """The content of a finished run's scores.json."""
    return Record(
        experiment="shapes", variant="fcn32s", head="fcn32s", seed=0, debug=None, tags=[],
        data="shapes", split="voc/val", split_size=5, num_images=5, checkpoint="last", step=2,
        scores={"mean_iu": mean_iu}, class_iu={}, average_over=[], best_val=None, lists={},
        start={}, precision="32-true", num_processes=1, device="cpu", seconds=1.0, commit=None,
        versions={}, config={},
    ).model_dump_json()  # fmt: skip
