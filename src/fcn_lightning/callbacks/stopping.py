"""Stops a run on a signal, and resumes it bit for bit from where it stopped."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import TimeoutExpired
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.plugins import TorchCheckpointIO

from fcn_lightning.callbacks import lightning_internals
from fcn_lightning.callbacks.loggers import MetricsFile
from fcn_lightning.files import replacing
from fcn_lightning.task import SegmentationTask

log = logging.getLogger("fcn_lightning")

SIGNALS = (signal.SIGTERM, signal.SIGINT)

EVERY = 600.0
"""The seconds between checkpoints if no validation writes one."""


class WholeCheckpoints(TorchCheckpointIO):
    """Writes checkpoints that are complete or absent."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a checkpoint.

        Raises:
            OSError: It cannot be written. The previous one is unchanged.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with replacing(path) as temporary, temporary.open("wb") as file:
                torch.save(checkpoint, file)
        except (OSError, RuntimeError) as error:  # torch's writer hides the system's error
            raise OSError(
                f"Cannot write {path}: {_cause(error)}. The previous checkpoint is intact: free "
                "some space and resume with `resume=true`."
            ) from error


class Stopping(Callback):
    """Saves `last.ckpt` between validations as well: on SIGTERM or Ctrl-C, and every ten minutes.

    A run that receives a signal ends after its current step or scored image, with status 143 (130
    for Ctrl-C). Every checkpoint is the state between two steps: if a validation was due or
    unfinished, the resumed run does it first. Lightning neither trains nor validates from the
    state after the last step. So there is a checkpoint before that step, from which a run that
    stops in its last validation resumes.

    Only process 0 decides and saves, so that training needs no communication for it. The other
    processes end with it.
    """

    def __init__(self, path: Path, metrics: MetricsFile) -> None:
        """Create the callback.

        Args:
            path: The path of `last.ckpt`.
            metrics: The run's metrics. A resumed run keeps the rows that a checkpoint has counted.
        """
        self.path = path
        self.metrics = metrics
        self._signal: int | None = None
        self._validated = 0
        self._num_rows = 0
        self._saved_at = time.monotonic()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Handle signals inside the block; a second Ctrl-C interrupts at once.

        A second SIGTERM does not: clusters may send it twice.
        """
        before = {}
        if threading.current_thread() is threading.main_thread():
            before = {number: signal.signal(number, self._handle) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        lightning_internals.disable_sigterm_handling(trainer)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.metrics.keep(self._num_rows)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        step = trainer.global_step
        if step and step != self._validated and _is_due(pl_module, step):
            lightning_internals.validate(trainer)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        between_steps = batch_idx % trainer.accumulate_grad_batches == 0
        if not (between_steps and trainer.is_global_zero):
            return
        last_step = trainer.global_step == trainer.max_steps - 1
        if self._signal or last_step or time.monotonic() - self._saved_at >= EVERY:
            self._save(trainer)
        self._exit_on_signal(trainer)

    def on_validation_batch_end(self, trainer: Trainer, *args: Any) -> None:
        if self._signal and trainer.is_global_zero:
            if trainer.global_step < trainer.max_steps:
                self._save(trainer)
            self._exit_on_signal(trainer)

    def on_test_batch_end(self, trainer: Trainer, *args: Any) -> None:
        if trainer.is_global_zero:
            self._exit_on_signal(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._validated = trainer.global_step
        self._saved_at = time.monotonic()

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        if trainer.is_global_zero:
            end_processes(trainer, patience=5.0)
        elif self._signal:
            raise SystemExit(128 + self._signal)  # process 0 ended, which broke a connection

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Set Lightning's counts to those between two steps."""
        step = trainer.global_step
        # Lightning counts a step after the validation that follows it, which a resumed run repeats.
        pending = step < trainer.max_steps and _is_due(pl_module, step)
        lightning_internals.set_logged_steps(checkpoint, step - 1 if pending else step)

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Adapts the counts to this run's accumulation, and the paths to its folder."""
        batches = checkpoint["global_step"] * trainer.accumulate_grad_batches
        lightning_internals.set_batches(checkpoint, batches)
        lightning_internals.move_model_checkpoints(checkpoint, self.path.parent.absolute())

    def state_dict(self) -> dict[str, Any]:
        return {"validated": self._validated, "num_rows": self.metrics.num_rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._validated = state_dict["validated"]
        self._num_rows = state_dict["num_rows"]

    def _handle(self, signum: int, frame: Any) -> None:
        if self._signal and signum == signal.SIGINT:
            raise KeyboardInterrupt
        self._signal = signum

    def _save(self, trainer: Trainer) -> None:
        """Save from process 0 alone."""
        if trainer.global_step:
            checkpoint = lightning_internals.dump_checkpoint(trainer)
            trainer.strategy.save_checkpoint(checkpoint, self.path)
        self._saved_at = time.monotonic()

    def _exit_on_signal(self, trainer: Trainer) -> None:
        if self._signal is None:
            return
        name = signal.Signals(self._signal).name
        log.info("stopped by %s at step %d; resume with resume=true", name, trainer.global_step)
        end_processes(trainer)
        raise SystemExit(128 + self._signal)


def end_processes(trainer: Trainer, patience: float = 0.0) -> None:
    """End the processes that process 0 started on its machine, including those that hang.

    Args:
        trainer: The trainer that started them.
        patience: The seconds before they are killed.
    """
    processes = lightning_internals.take_processes(trainer)
    limit = time.monotonic() + patience
    for process in processes:
        with suppress(TimeoutExpired):
            process.wait(max(0.0, limit - time.monotonic()))
        process.kill()
        process.wait()


def _is_due(pl_module: LightningModule, step: int) -> bool:
    """True if a validation follows a step."""
    assert isinstance(pl_module, SegmentationTask)
    recipe = pl_module.recipe
    return step == recipe.max_steps or step % min(recipe.val_every, recipe.max_steps) == 0


def _cause(error: BaseException) -> str:
    """The system's error behind this one, if there is one."""
    while not isinstance(error, OSError) and (error.__cause__ or error.__context__):
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return getattr(error, "strerror", None) or " ".join(str(error).split())
