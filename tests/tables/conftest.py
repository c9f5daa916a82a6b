import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fcn_lightning.tables.definitions import Table, read_table


@pytest.fixture
def table() -> Table:
    return read_table("table2")


@pytest.fixture
def finish(tmp_path: Path) -> Callable[..., Path]:
    """Writes the scores.json of a run below tmp_path, and returns the run's folder."""

    def finish(run: str, scores: tuple[float, float, float, float], **changes: object) -> Path:
        experiment, variant, seed = run.split("/")
        names = ("pixel_acc", "mean_acc", "mean_iu", "fw_iu")
        record = {
            "format": 1, "experiment": experiment, "variant": variant,
            "seed": int(seed.removeprefix("seed")), "data": experiment, "split": "voc/val",
            "num_images": 100, "checkpoint": "last", "scores": dict(zip(names, scores), loss=0.3),
            "class_iu": {"background": None}, "average_over": [],
        }  # fmt: skip
        folder = tmp_path / run
        folder.mkdir(parents=True)
        (folder / "scores.json").write_text(json.dumps(record | changes))
        return folder

    return finish
