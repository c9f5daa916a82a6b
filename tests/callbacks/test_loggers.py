"""`metrics.csv`."""

from __future__ import annotations

import csv
from pathlib import Path

from fcn_lightning.callbacks import MetricsFile


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_new_name_becomes_a_new_column(tmp_path: Path) -> None:
    log = MetricsFile(tmp_path / "metrics.csv")
    log.log_metrics({"loss": 2.5}, 1)
    log.log_metrics({"loss": 2.0}, 2)
    log.log_metrics({"mean_iu": 0.25}, 2)
    assert rows(log.path) == [
        {"step": "1", "loss": "2.5", "mean_iu": ""},
        {"step": "2", "loss": "2.0", "mean_iu": ""},
        {"step": "2", "loss": "", "mean_iu": "0.25"},
    ]


def test_resuming_drops_the_rows_that_are_logged_again(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    first = MetricsFile(path)
    for step in range(4):
        first.log_metrics({"loss": float(step)}, step)
    first.log_metrics({"mean_iu": 0.5}, 3)
    with path.open("a") as file:
        file.write("4,4.")  # a truncated row
    second = MetricsFile(path)
    second.keep(2)
    assert second.num_rows == 2
    second.log_metrics({"loss": 20.0}, 2)
    assert path.read_text().splitlines() == ["step,loss", "0,0.0", "1,1.0", "2,20.0"]


def test_resuming_without_a_checkpoint_keeps_no_row(tmp_path: Path) -> None:
    first = MetricsFile(tmp_path / "metrics.csv")
    first.log_metrics({"loss": 1.0}, 0)
    second = MetricsFile(first.path)
    second.keep(0)
    second.log_metrics({"mean_iu": 0.5}, 0)
    assert first.path.read_text().splitlines() == ["step,mean_iu", "0,0.5"]
