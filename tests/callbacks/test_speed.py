"""The speed of steps, without the time of validation, by a clock of the test's own."""

from __future__ import annotations

import logging
import time
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from fcn_lightning.callbacks import MetricsFile, Speed
from fcn_lightning.callbacks.speed import in_hours


class Sent(list[tuple[dict[str, float], int]]):
    """A logger that lists what it gets."""

    def log_metrics(self, values: dict[str, float], step: int) -> None:
        self.append((values, step))


@pytest.fixture
def sent() -> Sent:
    return Sent()


@pytest.fixture
def trainer(sent: Sent, tmp_path: Any) -> Any:
    strategy = SimpleNamespace(root_device=torch.device("cpu"))
    return SimpleNamespace(
        global_step=0, max_steps=3650, log_every_n_steps=10, is_global_zero=True, strategy=strategy,
        loggers=[MetricsFile(tmp_path / "metrics.csv"), sent],
    )  # fmt: skip


def train(trainer: Any, speed: Speed, clock: list[float], steps: int, loading: float) -> None:
    """Steps of a second, after `loading` seconds for images; 500 s of validation after step 20."""
    speed.on_train_start(trainer, None)  # type: ignore[arg-type]
    for step in range(1, steps + 1):
        clock[0] += loading
        speed.on_train_batch_start(trainer)
        clock[0] += 1
        trainer.global_step = step
        speed.on_train_batch_end(trainer)
        if step == 20:
            clock[0] += 500
            speed.on_validation_end(trainer, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(("loading", "warned"), [(1.0, True), (0.1, False)])
def test_speed_estimate_and_warning(
    trainer: Any, sent: Sent, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    loading: float, warned: bool,
) -> None:  # fmt: skip
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(logging.getLogger("fcn_lightning"), "propagate", True)
    caplog.set_level(logging.INFO, "fcn_lightning")
    speed = Speed(batch=8)
    train(trainer, speed, clock, 60, loading)
    assert [step for _, step in sent] == [10, 20, 30, 40, 50, 60]
    last = sent[-1][0]
    assert last["speed/step_seconds"] == pytest.approx(1 + loading)
    assert last["speed/images_per_second"] == pytest.approx(8 / (1 + loading))
    assert last["speed/waiting"] == pytest.approx(loading / (1 + loading))
    assert 0.05 < last["speed/memory_gib"] < 50
    assert not (trainer.loggers[0].path).exists()
    estimate, *others = dict.fromkeys(record.getMessage() for record in caplog.records)
    assert estimate.startswith(
        f"estimate: {in_hours(3600 * (1 + loading))} for the other 3600 steps, without validation; "
        f"{8 / (1 + loading):.1f} images per second, at most "
    )
    waiting = "50 % of the time is spent waiting for images. Raise num_workers."
    assert others == ([waiting] if warned else [])


@pytest.mark.parametrize(
    ("seconds", "words"), [(7500.0, "2 h 05 min"), (250.0, "4 min 10 s"), (8.0, "0 min 08 s")]
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert in_hours(seconds) == words
