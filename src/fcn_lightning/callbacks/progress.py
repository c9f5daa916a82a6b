"""How far a run is, in log lines."""

from __future__ import annotations

import logging
import time
from typing import Any

from lightning import Callback, LightningModule, Trainer

from fcn_lightning.task import SegmentationTask

log = logging.getLogger("fcn_lightning")


class Progress(Callback):
    """A log line at every validation and, where there is no progress bar, ten while training.

    It also knows the best validation: `best` is {"step", "mean_iu"} or None.
    """

    def __init__(self) -> None:
        self.best: dict[str, float] | None = None
        self._start = (0, 0.0)
        self._told = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._start = (trainer.global_step, time.monotonic())
        self._told = trainer.global_step

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        step, last = trainer.global_step, trainer.max_steps
        if step == last:
            trainer.should_stop = True  # which makes Lightning validate once more, at the end
        elif (
            step % max(1, last // 10) == 0
            and step > self._told
            and not trainer.progress_bar_callback
        ):
            first, start = self._start
            self._told = step
            rate = (time.monotonic() - start) / (step - first)
            log.info(
                "step %d of %d, loss %.4g, %.3g s a step, %.0f s to go",
                step, last, trainer.callback_metrics["train/loss"], rate, rate * (last - step),
            )  # fmt: skip

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, SegmentationTask)
        values, _ = pl_module.results["val"]
        if self.best is None or values["mean_iu"] > self.best["mean_iu"]:
            self.best = {"step": trainer.global_step, "mean_iu": values["mean_iu"]}
        log.info("step %d, %s", trainer.global_step, in_words(values))

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = state_dict["best"]


def in_words(values: dict[str, float]) -> str:
    """Scores in one line, in percent."""
    words = {
        "pixel_acc": "pixel acc.", "mean_acc": "mean acc.", "mean_iu": "mean IU",
        "fw_iu": "f.w. IU", "mean_iu_subset": "mean IU of the named classes",
    }  # fmt: skip
    parts = [f"{text} {100 * values[name]:.2f}" for name, text in words.items() if name in values]
    return ", ".join([*parts, f"loss {values['loss']:.4g}"])
