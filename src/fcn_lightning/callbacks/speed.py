"""The speed of a run, the time it waits for data, and an estimate of the time left."""

from __future__ import annotations

import logging
import resource
import time
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer

from fcn_lightning.callbacks.loggers import MetricsFile

log = logging.getLogger("fcn_lightning")

EARLY = 50
"""The steps after which time and memory of the run are estimated."""

WAITING = 0.2
"""The share of time spent waiting for images from which a warning is logged."""


class Speed(Callback):
    """Measures steps, sends their speed to the loggers, and logs an estimate after EARLY steps.

    `metrics.csv` has none of it: it is the same for each run of a configuration. Time spent in
    validation does not count.

    Args:
        batch: The images of a step, over all processes.
    """

    def __init__(self, batch: int) -> None:
        self.batch = batch
        self._first = self._sent = 0
        self._began = self._ended = 0.0
        self._waited = self._excluded = 0.0

    def images_per_second(self, trainer: Trainer) -> float:
        """Return the images of all steps so far over their time."""
        return self.batch / self._step_seconds(trainer)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._first = self._sent = trainer.global_step
        self._began = self._ended = time.monotonic()

    def on_train_batch_start(self, *args: Any) -> None:
        self._waited += time.monotonic() - self._ended

    def on_train_batch_end(self, trainer: Trainer, *args: Any) -> None:
        self._ended, step = time.monotonic(), trainer.global_step
        if step == self._sent or not trainer.is_global_zero:
            return
        if step % trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]
            self._sent = step
            self._send(trainer)
        if step - self._first == EARLY and step < trainer.max_steps:
            self._sent = step
            self._estimate(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        now = time.monotonic()
        self._excluded, self._ended = self._excluded + now - self._ended, now

    def _step_seconds(self, trainer: Trainer) -> float:
        steps = max(1, trainer.global_step - self._first)
        return max(self._ended - self._began - self._excluded, 1e-9) / steps

    def _send(self, trainer: Trainer) -> None:
        seconds = self._step_seconds(trainer)
        values = {
            "speed/images_per_second": self.batch / seconds,
            "speed/step_seconds": seconds,
            "speed/waiting": self._share(),
            "speed/memory_gib": memory(trainer) / 2**30,
        }
        for logger in trainer.loggers:
            if not isinstance(logger, MetricsFile):
                logger.log_metrics(values, trainer.global_step)

    def _share(self) -> float:
        return self._waited / max(self._ended - self._began - self._excluded, 1e-9)

    def _estimate(self, trainer: Trainer) -> None:
        left = (trainer.max_steps - trainer.global_step) * self._step_seconds(trainer)
        log.info(
            "estimate: %s for the other %d steps, without validation; %.1f images per second, at "
            "most %.1f GiB",
            in_hours(left), trainer.max_steps - trainer.global_step,
            self.images_per_second(trainer), memory(trainer) / 2**30,
        )  # fmt: skip
        if (share := self._share()) > WAITING:
            log.warning(
                "%.0f %% of the time is spent waiting for images. Raise num_workers.", 100 * share
            )


def memory(trainer: Trainer) -> int:
    """Return the most bytes of memory so far: of the GPU, or else of this process."""
    device = trainer.strategy.root_device
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def in_hours(seconds: float) -> str:
    """Write a duration: `2 h 05 min`, `4 min 10 s`."""
    if seconds >= 3600:
        minutes = round(seconds / 60)
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{round(seconds) // 60} min {round(seconds) % 60:02d} s"
