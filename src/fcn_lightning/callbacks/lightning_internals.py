"""Lightning's private attributes and undocumented state that this package relies on.

Tested with Lightning 2.6.6. tests/callbacks/test_lightning_internals.py names the attribute that
another version lacks.
"""

from __future__ import annotations

from pathlib import Path
from subprocess import Popen
from typing import Any

from lightning import Trainer
from lightning.pytorch.callbacks import RichProgressBar
from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher

COUNTS = ("ready", "started", "processed", "completed")
"""The counts of a loop's batches, `current` and `total`."""

CHECKPOINT_PATHS = ("best_model_path", "kth_best_model_path", "last_model_path")
"""The paths in a ModelCheckpoint's state, beside `best_k_models` and `dirpath`."""


def disable_sigterm_handling(trainer: Trainer) -> None:
    """Disables Lightning's reaction to SIGTERM.

    Its handler broadcasts from inside the signal handler, where other processes may mistake it for
    another broadcast, and each training step reads a flag from the device.
    """
    trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
    trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = lambda: None  # type: ignore[method-assign]


def dump_checkpoint(trainer: Trainer) -> dict[str, Any]:
    """The checkpoint that `Trainer.save_checkpoint` writes, without its barrier."""
    return trainer._checkpoint_connector.dump_checkpoint(weights_only=False)


def validate(trainer: Trainer) -> None:
    """Run a validation inside `Trainer.fit`."""
    trainer.validating = True
    trainer.fit_loop.epoch_loop.val_loop.run()
    trainer.training = True


def take_processes(trainer: Trainer) -> list[Popen[bytes]]:
    """The processes that this one started, which Lightning no longer observes."""
    launcher = trainer.strategy.launcher
    if not isinstance(launcher, _SubprocessScriptLauncher):
        return []
    processes = [*launcher.procs]
    launcher.procs.clear()  # Lightning's observer would report their end as a failure
    return processes


def set_logged_steps(checkpoint: dict[str, Any], steps: int) -> None:
    """Make a checkpoint one outside of any validation, after `steps` logged steps."""
    loops, none = checkpoint["loops"]["fit_loop"], dict.fromkeys(COUNTS, 0)
    loops["epoch_loop.val_loop.batch_progress"] |= {"current": none, "total": none}
    loops["epoch_loop.state_dict"]["_batches_that_stepped"] = steps


def set_batches(checkpoint: dict[str, Any], batches: int) -> None:
    """Set the number of training batches that a checkpoint was saved after."""
    counts = dict.fromkeys(COUNTS, batches)
    progress = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
    progress |= {"current": counts, "total": counts}


def move_model_checkpoints(checkpoint: dict[str, Any], folder: Path) -> None:
    """Replace the folder of the files that each ModelCheckpoint's state names."""

    def moved(path: str) -> str:
        return str(folder / Path(path).name) if path else path

    for state in checkpoint["callbacks"].values():
        if "dirpath" in state:
            state |= {key: moved(state[key]) for key in CHECKPOINT_PATHS}
            best = state["best_k_models"].items()
            state["best_k_models"] = {moved(path): score for path, score in best}
            state["dirpath"] = str(folder)


class EpochlessProgressBar(RichProgressBar):
    """A progress bar whose training description is the same in every epoch."""

    train_description = "Training"

    def _get_train_description(self, current_epoch: int) -> str:
        return self.train_description.ljust(len(self.validation_description))
