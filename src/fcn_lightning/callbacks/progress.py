"""The progress of a run: log lines, and a bar in a terminal."""

from __future__ import annotations

import logging
import math
import time
from typing import Any

from lightning import Callback, LightningModule, Trainer

from fcn_lightning.callbacks.lightning_internals import EpochlessProgressBar
from fcn_lightning.callbacks.speed import Speed, memory
from fcn_lightning.task import SegmentationTask

log = logging.getLogger("fcn_lightning")


class Progress(Callback):
    """Logs a line at every validation and, without a progress bar, ten times in training.

    Attributes:
        best: `step` and `mean_iu` of the best validation; None before the first one with a score.
        earlier: The seconds that a resumed run worked before, up to its last checkpoint.
    """

    def __init__(self) -> None:
        self.best: dict[str, float] | None = None
        self.earlier = 0.0
        self._began = time.monotonic()
        self._start = (0, 0.0)
        self._logged = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._start = (trainer.global_step, time.monotonic())
        self._logged = trainer.global_step

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        step, last = trainer.global_step, trainer.max_steps
        if step == last:
            trainer.should_stop = True  # Lightning then validates once more
        elif (
            step % max(1, last // 10) == 0
            and step > self._logged
            and not trainer.progress_bar_callback
        ):
            first, start = self._start
            self._logged = step
            rate = (time.monotonic() - start) / (step - first)
            log.info(
                "step %d of %d, loss %.4g, %.3g s per step, %.0f s left",
                step, last, trainer.callback_metrics["train/loss"], rate, rate * (last - step),
            )  # fmt: skip

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, SegmentationTask)
        values = pl_module.results["val"].scores
        best = -math.inf if self.best is None else self.best["mean_iu"]
        if values["mean_iu"] > best:  # not if it is NaN
            self.best = {"step": trainer.global_step, "mean_iu": values["mean_iu"]}
        log.info("step %d, %s", trainer.global_step, in_words(values))

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "seconds": self.earlier + time.monotonic() - self._began}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = state_dict["best"]
        self.earlier = state_dict.get("seconds", 0.0)


class ProgressBar(EpochlessProgressBar):
    """A bar over the whole run, which is one endless epoch to Lightning."""

    @property
    def validation_description(self) -> str:
        return "Validating"

    @property
    def test_description(self) -> str:
        return "Scoring"

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        metrics: dict[str, Any] = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)  # the loggers' version; a run has none
        metrics.pop("step", None)  # of the loggers' points
        speeds = (each for each in trainer.callbacks if isinstance(each, Speed))  # type: ignore[attr-defined]
        if trainer.training and (speed := next(speeds, None)):
            metrics["images/s"] = f"{speed.images_per_second(trainer):.1f}"
            metrics["GiB"] = f"{memory(trainer) / 2**30:.1f}"
        return metrics


def in_words(values: dict[str, float]) -> str:
    """Scores in one line, in percent; those of a second head after its name."""
    names = {
        "pixel_acc": "pixel acc.", "mean_acc": "mean acc.", "mean_iu": "mean IU",
        "fw_iu": "f.w. IU", "mean_iu_subset": "mean IU of the named classes",
    }  # fmt: skip
    heads = dict.fromkeys(name.rpartition("/")[0] for name in values if name != "loss")
    parts = [
        f"{f'{head} ' if head else ''}{text} {100 * values[key]:.2f}"
        for head in heads
        for name, text in names.items()
        if (key := f"{head}/{name}" if head else name) in values
    ]
    return ", ".join([*parts, f"loss {values['loss']:.4g}"])
