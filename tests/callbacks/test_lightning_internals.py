"""Lightning's private attributes: a test fails with the name of the one that disappeared."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from pathlib import Path
from subprocess import DEVNULL, Popen

import pytest
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint, RichProgressBar
from lightning.pytorch.strategies import launchers

from fcn_lightning import callbacks, datamodule, task
from fcn_lightning.callbacks import lightning_internals

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning's, on such a small training

OF_TRAINER = (
    "_signal_connector.register_signal_handlers",
    "_checkpoint_connector.dump_checkpoint",
    "fit_loop.epoch_loop._broadcast_sigterm_tensor",
    "fit_loop.epoch_loop._batches_that_stepped",
    "fit_loop.epoch_loop.val_loop.run",
    "validating",
    "training",
)


@pytest.mark.parametrize("path", OF_TRAINER)
def test_a_trainer_has(path: str, trainer: Callable[..., Trainer]) -> None:
    found: object = trainer()
    for name in path.split("."):
        assert hasattr(found, name), f"Lightning's {type(found).__name__} has no `{name}`"
        found = getattr(found, name)


def test_the_launcher_has() -> None:
    assert hasattr(launchers, "_SubprocessScriptLauncher")
    initial = inspect.getsource(launchers._SubprocessScriptLauncher.__init__)
    assert "self.procs" in initial, "Lightning's _SubprocessScriptLauncher has no `procs`"


def test_the_progress_bar_has() -> None:
    assert hasattr(RichProgressBar, "_get_train_description")
    assert list(inspect.signature(RichProgressBar._get_train_description).parameters) == [
        "self", "current_epoch"
    ]  # fmt: skip


def test_a_checkpoint_has(trainer: Callable[..., Trainer], line: LightningModule) -> None:
    saving = ModelCheckpoint(".", monitor="mean_iu", save_last=True)
    run = trainer(callbacks=[saving], enable_checkpointing=True)
    run.fit(line)
    checkpoint = lightning_internals.dump_checkpoint(run)
    loops = checkpoint["loops"]["fit_loop"]
    counts = {*lightning_internals.COUNTS}
    for key in ("epoch_loop.batch_progress", "epoch_loop.val_loop.batch_progress"):
        assert key in loops, f"Lightning's checkpoint has no `{key}`"
        assert {"current", "total"} <= loops[key].keys()
        assert counts == loops[key]["current"].keys() == loops[key]["total"].keys()
    assert loops["epoch_loop.state_dict"].get("_batches_that_stepped") == 4
    (state,) = (own for own in checkpoint["callbacks"].values() if "dirpath" in own)
    named = {"dirpath", "best_k_models", *lightning_internals.CHECKPOINT_PATHS}
    assert named <= state.keys(), f"ModelCheckpoint's state lacks {named - state.keys()}"


def test_lightnings_sigterm_handling_is_disabled(
    trainer: Callable[..., Trainer], line: LightningModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[str] = []
    run = trainer(max_steps=1)
    signals, loop = type(run._signal_connector), type(run.fit_loop.epoch_loop)
    monkeypatch.setattr(signals, "register_signal_handlers", lambda _: called.append("register"))
    monkeypatch.setattr(loop, "_broadcast_sigterm_tensor", lambda _: called.append("broadcast"))
    run.fit(line)
    assert called == ["register"]  # a single process has nothing to broadcast
    assert "self._broadcast_sigterm_tensor()" in inspect.getsource(loop.advance)
    called.clear()
    run = trainer(max_steps=1)
    lightning_internals.disable_sigterm_handling(run)
    run.fit(line)
    run.fit_loop.epoch_loop._broadcast_sigterm_tensor()
    assert called == []


def test_counts_and_paths_are_set(
    trainer: Callable[..., Trainer], line: LightningModule, tmp_path: Path
) -> None:
    saving = ModelCheckpoint(tmp_path / "old", monitor="mean_iu")
    run = trainer(callbacks=[saving], enable_checkpointing=True)
    run.fit(line)
    checkpoint = lightning_internals.dump_checkpoint(run)
    lightning_internals.set_logged_steps(checkpoint, 3)
    lightning_internals.set_batches(checkpoint, 6)
    lightning_internals.move_model_checkpoints(checkpoint, tmp_path / "new")
    loops = checkpoint["loops"]["fit_loop"]
    assert loops["epoch_loop.state_dict"]["_batches_that_stepped"] == 3
    assert {*loops["epoch_loop.val_loop.batch_progress"]["total"].values()} == {0}
    assert {*loops["epoch_loop.batch_progress"]["current"].values()} == {6}
    (state,) = (own for own in checkpoint["callbacks"].values() if "dirpath" in own)
    best = Path(saving.best_model_path)
    assert best.parent == tmp_path / "old"
    assert state["best_model_path"] == str(tmp_path / "new" / best.name)
    assert list(state["best_k_models"]) == [str(tmp_path / "new" / best.name)]
    assert state["dirpath"] == str(tmp_path / "new")


def test_processes_are_taken_from_the_launcher(
    trainer: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trainer()
    assert lightning_internals.take_processes(run) == []
    launcher = object.__new__(launchers._SubprocessScriptLauncher)
    with Popen(["true"], stdout=DEVNULL) as process:
        launcher.procs = [process]
        monkeypatch.setattr(run.strategy, "_launcher", launcher)
        assert lightning_internals.take_processes(run) == [process]
    assert launcher.procs == []


def test_private_attributes_are_used_in_one_module_only() -> None:
    files = [*Path(callbacks.__file__).parent.glob("*.py")]
    files += [Path(module.__file__ or "") for module in (task, datamodule)]
    used = {
        f"{file.name}:{node.lineno} {node.attr}"
        for file in files
        if file.name != "lightning_internals.py"
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute) and node.attr.startswith("_")
        if not (isinstance(node.value, ast.Name) and node.value.id == "self")
        if not node.attr.startswith("__")
    }
    assert not used
