"""Runs that are stopped at any moment, and go on as if they never had been."""

from __future__ import annotations

import logging
import os
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
from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher

from fcn_lightning.callbacks.loggers import MetricsFile
from fcn_lightning.task import SegmentationTask

log = logging.getLogger("fcn_lightning")

SIGNALS = (signal.SIGTERM, signal.SIGINT)

COUNTED = ("ready", "started", "processed", "completed")
"""What Lightning counts of each pass."""

EVERY = 600.0
"""Seconds after which a run is saved also between validations."""


class WholeCheckpoints(TorchCheckpointIO):
    """Writes under a temporary name and renames: a checkpoint that is there is whole."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Writes a checkpoint.

        Raises:
            OSError: It cannot be written; the one that was there before still is.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        try:
            with temporary.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except (OSError, RuntimeError) as error:  # torch's writer hides the system's error
            temporary.unlink(missing_ok=True)
            raise OSError(
                f"{path} must be written; it cannot be ({_cause(error)}). What was saved before is "
                "as it was: make room, and go on with resume=true."
            ) from error


class Stopping(Callback):
    """Saves `last.ckpt` between validations too: at SIGTERM or Ctrl-C, and every ten minutes.

    A run that is asked to stop ends after the update that it is in, or the image that it scores,
    with status 143 (130 for Ctrl-C). A checkpoint is the state between two updates, wherever
    it was saved: a validation that was due and not finished is done first when the run goes on.
    Lightning trains no more, nor validates, from the state after the last update; so there is one
    before it, to which a run goes back that is stopped in its last validation.

    Only process 0 decides and saves, so that no process waits for another's answer in training;
    the others end with it.
    """

    def __init__(self, path: Path, metrics: MetricsFile) -> None:
        """Takes what is to be kept.

        Args:
            path: Where `last.ckpt` is.
            metrics: The run's metrics, which go on from the row that they had at a checkpoint.
        """
        self.path = path
        self.metrics = metrics
        self._asked: int | None = None
        self._validated = 0
        self._num_rows = 0
        self._saved_at = time.monotonic()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """While this is open, signals ask the run to stop; a second Ctrl-C interrupts it.

        A cluster may well send SIGTERM twice.
        """
        before = {}
        if threading.current_thread() is threading.main_thread():
            before = {number: signal.signal(number, self._ask) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        # Lightning's own handling of SIGTERM broadcasts from inside of the handler, which the other
        # processes may take for another broadcast, and reads a flag off the device in every step.
        trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
        trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = lambda: None  # type: ignore[method-assign]

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.metrics.keep(self._num_rows)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        step = trainer.global_step
        if step and step != self._validated and _is_due(pl_module, step):
            trainer.validating = True
            trainer.fit_loop.epoch_loop.val_loop.run()
            trainer.training = True

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        between_updates = batch_idx % trainer.accumulate_grad_batches == 0
        if not (between_updates and trainer.is_global_zero):
            return
        last_update = trainer.global_step == trainer.max_steps - 1
        if self._asked or last_update or time.monotonic() - self._saved_at >= EVERY:
            self._save(trainer)
        self._leave_if_asked(trainer)

    def on_validation_batch_end(self, trainer: Trainer, *args: Any) -> None:
        if self._asked and trainer.is_global_zero:
            if trainer.global_step < trainer.max_steps:
                self._save(trainer)
            self._leave_if_asked(trainer)

    def on_test_batch_end(self, trainer: Trainer, *args: Any) -> None:
        if trainer.is_global_zero:
            self._leave_if_asked(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._validated = trainer.global_step
        self._saved_at = time.monotonic()

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        if trainer.is_global_zero:
            end_processes(trainer, patience=5.0)
        elif self._asked:
            raise SystemExit(128 + self._asked)  # process 0 left, which broke a connection

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Sets Lightning's counters to those between two updates."""
        step, loops = trainer.global_step, checkpoint["loops"]["fit_loop"]
        none = dict.fromkeys(COUNTED, 0)
        loops["epoch_loop.val_loop.batch_progress"] |= {"current": none, "total": none}
        # Lightning counts a step once the validation that follows it is over, and goes on there.
        goes_on = step < trainer.max_steps
        logged = step - 1 if goes_on and _is_due(pl_module, step) else step
        loops["epoch_loop.state_dict"]["_batches_that_stepped"] = logged

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Goes on with this run's passes and in its folder, which may be others than they were."""
        passes = checkpoint["global_step"] * trainer.accumulate_grad_batches
        counted = dict.fromkeys(COUNTED, passes)
        loops = checkpoint["loops"]["fit_loop"]
        loops["epoch_loop.batch_progress"] |= {"current": counted, "total": counted}
        for state in checkpoint["callbacks"].values():
            if "dirpath" in state:
                _move(state, self.path.parent.absolute())

    def state_dict(self) -> dict[str, Any]:
        return {"validated": self._validated, "num_rows": self.metrics.num_rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._validated = state_dict["validated"]
        self._num_rows = state_dict["num_rows"]

    def _ask(self, signum: int, frame: Any) -> None:
        if self._asked and signum == signal.SIGINT:
            raise KeyboardInterrupt
        self._asked = signum

    def _save(self, trainer: Trainer) -> None:
        """Saves from process 0 alone: what `Trainer.save_checkpoint` does, without its barrier."""
        if trainer.global_step:
            checkpoint = trainer._checkpoint_connector.dump_checkpoint(weights_only=False)
            trainer.strategy.save_checkpoint(checkpoint, self.path)
        self._saved_at = time.monotonic()

    def _leave_if_asked(self, trainer: Trainer) -> None:
        if self._asked is None:
            return
        name = signal.Signals(self._asked).name
        log.info("stopped by %s at step %d; resume=true goes on", name, trainer.global_step)
        end_processes(trainer)
        raise SystemExit(128 + self._asked)


def end_processes(trainer: Trainer, patience: float = 0.0) -> None:
    """Ends the processes that process 0 started on its machine, also those that hang.

    Args:
        trainer: Whose processes they are.
        patience: Seconds that they have to end by themselves.
    """
    launcher = trainer.strategy.launcher
    if not isinstance(launcher, _SubprocessScriptLauncher):
        return
    processes = [*launcher.procs]
    launcher.procs.clear()  # else Lightning's observer takes their end for a failure
    limit = time.monotonic() + patience
    for process in processes:
        with suppress(TimeoutExpired):
            process.wait(max(0.0, limit - time.monotonic()))
        process.kill()
        process.wait()


def _is_due(pl_module: LightningModule, step: int) -> bool:
    """Whether a validation follows a step."""
    assert isinstance(pl_module, SegmentationTask)
    recipe = pl_module.recipe
    return step == recipe.max_steps or step % min(recipe.val_every, recipe.max_steps) == 0


def _move(state: dict[str, Any], folder: Path) -> None:
    """Has a ModelCheckpoint's state name the files of a folder, which may have been moved."""

    def moved(path: str) -> str:
        return str(folder / Path(path).name) if path else path

    for key in ("best_model_path", "kth_best_model_path", "last_model_path"):
        state[key] = moved(state[key])
    state["best_k_models"] = {moved(path): score for path, score in state["best_k_models"].items()}
    state["dirpath"] = str(folder)


def _cause(error: BaseException) -> str:
    """The system's own error, where one is behind this one."""
    while not isinstance(error, OSError) and (error.__cause__ or error.__context__):
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return getattr(error, "strerror", None) or " ".join(str(error).split())
