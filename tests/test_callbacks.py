from __future__ import annotations

import csv
from pathlib import Path

from fcn_lightning.callbacks import MetricsFile, in_words


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


def test_going_on_keeps_the_rows_before_the_step(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    first = MetricsFile(path)
    for step in range(4):
        first.log_metrics({"loss": float(step)}, step)
    second = MetricsFile(path)
    second.log_metrics({"loss": 20.0}, 2)
    second.log_metrics({"loss": 30.0}, 3)
    assert [(row["step"], row["loss"]) for row in rows(path)] == [
        ("0", "0.0"), ("1", "1.0"), ("2", "20.0"), ("3", "30.0"),
    ]  # fmt: skip


def test_scores_are_told_in_percent() -> None:
    scores = {"pixel_acc": 0.9, "mean_acc": 0.8, "mean_iu": 0.62355, "fw_iu": 0.7, "loss": 1.25}
    assert in_words(scores) == (
        "pixel acc. 90.00, mean acc. 80.00, mean IU 62.36, f.w. IU 70.00, loss 1.25"
    )
