"""A stopped or killed run resumes bit for bit."""

from __future__ import annotations

import contextlib
import csv
import json
import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import warm
from fcn_lightning import formats
from fcn_lightning.callbacks import WholeCheckpoints, stopping
from fcn_lightning.runs.run import Run, compose_run
from fcn_lightning.runs.train import train
from fcn_lightning.task import SegmentationTask
from integration.held import hold

Tiny = Callable[..., list[str]]

RUN = (
    "experiment=shapes", "head=fcn32s", "backbone.dropout=0.5", "augment.crop=64",
    "recipe.batch=4", "recipe.per_pass=2", "recipe.max_steps=7", "recipe.val_every=3",
    "recipe.lr=0.01",
)  # fmt: skip
"""Seven steps of two passes; validations after steps 3, 6 and 7."""


@pytest.fixture(scope="module")
def whole(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that is never stopped."""
    runs = tmp_path_factory.mktemp("whole")
    run = compose_run([*overrides_of(tiny_data), f"paths.runs={runs}"])
    train(run)
    return run.folder


def overrides_of(data: Path) -> list[str]:
    tiny = [
        f"paths.data={data}", "trainer=cpu", "num_workers=0", "logger=csv", "init_from=null",
        "backbone.widths=[4,4,8,8,8]", "backbone.fc_widths=[16,16]", "callbacks=none",
    ]  # fmt: skip
    return [*tiny, *RUN]


def must_end_as(whole: Path, run: Run) -> None:
    """Compares weights, optimizer, scores, metrics and the best checkpoint."""
    for name in ("last", "best"):
        expected, found = (
            torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True)
            for folder in (whole, run.folder)
        )
        assert found["global_step"] == expected["global_step"]
        assert equal(found["state_dict"], expected["state_dict"])
        assert equal(found["optimizer_states"], expected["optimizer_states"])
        assert found["lr_schedulers"] == expected["lr_schedulers"]
    record, expected = (
        json.loads((folder / "scores.json").read_text()) for folder in (run.folder, whole)
    )
    assert same(record) == same(expected)
    assert (run.folder / "metrics.csv").read_text() == (whole / "metrics.csv").read_text()
    mine, its = (np.load(folder / "per_image.npz") for folder in (run.folder, whole))
    assert all(np.array_equal(mine[key], its[key]) for key in its)


def same(record: dict[str, Any]) -> dict[str, Any]:
    """What must end the same: all but time and memory, and how the run was continued and where."""
    config = {
        k: v for k, v in record["config"].items() if k not in ("resume", "paths", "classifier")
    }
    return {**record, "seconds": 0, "peak_memory": 0, "config": config}


def equal(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(equal, a, b))
    return torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b


@contextlib.contextmanager
def at(step: str, number: int, act: Callable[[], None]) -> Iterator[None]:
    """Calls `act` before the n-th call of a method of the task."""
    taken, original = [0], getattr(SegmentationTask, step)

    def patched(self: SegmentationTask, batch: Any, batch_idx: int) -> Any:
        taken[0] += 1
        if taken[0] == number:
            act()
        return original(self, batch, batch_idx)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SegmentationTask, step, patched)
        yield


def ask_to_stop() -> None:
    signal.raise_signal(signal.SIGTERM)


def cut_off() -> None:
    raise RuntimeError("cut off")


@pytest.mark.parametrize(
    ("step", "number", "saved_at"),
    [
        ("training_step", 1, 1),
        ("training_step", 4, 2),  # in the second pass of a step
        ("training_step", 6, 3),  # a validation follows
        ("training_step", 14, 6),  # the last pass; the last validation follows
        ("validation_step", 1, 3),
        ("validation_step", 5, 3),
        ("validation_step", 13, 6),  # in the last validation
        ("test_step", 2, 7),
    ],
)
def test_a_stopped_run_saves_and_resumes(
    step: str, number: int, saved_at: int, whole: Path, tiny_data: Path, tmp_path: Path
) -> None:
    own = [*overrides_of(tiny_data), f"paths.runs={tmp_path}"]
    with at(step, number, ask_to_stop), pytest.raises(SystemExit) as stopped:
        train(compose_run(own))
    assert stopped.value.code == 143
    run = compose_run([*own, "resume=true"])
    assert formats.read_checkpoint(run.folder).step == saved_at
    assert not (run.folder / "scores.json").exists()
    train(run)
    must_end_as(whole, run)


@pytest.mark.parametrize(
    ("step", "number", "saved_at"),
    [
        ("training_step", 5, None),
        ("validation_step", 3, None),
        ("training_step", 8, 3),
        ("validation_step", 8, 3),
        ("validation_step", 12, 6),
        ("test_step", 1, 7),
    ],
)
def test_a_killed_run_resumes_from_the_last_checkpoint(
    step: str, number: int, saved_at: int | None, whole: Path, tiny_data: Path, tmp_path: Path
) -> None:
    own = [*overrides_of(tiny_data), f"paths.runs={tmp_path}"]
    with at(step, number, cut_off), pytest.raises(RuntimeError, match="cut off"):
        train(compose_run(own))
    run = compose_run([*own, "resume=true"])
    if saved_at is None:
        assert not (run.folder / "checkpoints" / "last.ckpt").exists()
    else:
        assert formats.read_checkpoint(run.folder).step == saved_at
    train(run)
    must_end_as(whole, run)


def test_a_run_killed_at_every_step_ends_the_same(
    whole: Path, tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stopping, "EVERY", 0.0)  # a checkpoint before each step
    own = [*overrides_of(tiny_data), f"paths.runs={tmp_path}"]
    steps = []
    for _ in range(9):
        run = compose_run([*own, "resume=true"])
        with at("training_step", 3, cut_off), contextlib.suppress(RuntimeError):
            train(run)
            break
        steps.append(formats.read_checkpoint(run.folder).step)
    assert steps == [1, 2, 3, 4, 5, 6]
    must_end_as(whole, run)


def test_a_moved_run_keeps_its_best_checkpoint(
    whole: Path, tiny_data: Path, tmp_path: Path
) -> None:
    own = overrides_of(tiny_data)
    with at("training_step", 10, ask_to_stop), pytest.raises(SystemExit):
        train(compose_run([*own, f"paths.runs={tmp_path / 'here'}"]))
    (tmp_path / "here").rename(tmp_path / "there")
    run = compose_run([*own, f"paths.runs={tmp_path / 'there'}", "resume=true"])
    train(run)
    must_end_as(whole, run)
    assert not (tmp_path / "here").exists()


def test_a_run_with_one_validation_resumes(tiny_data: Path, tmp_path: Path) -> None:
    own = [*overrides_of(tiny_data), "recipe.val_every=100"]
    never_stopped = compose_run([*own, f"paths.runs={tmp_path / 'whole'}"])
    train(never_stopped)
    own += [f"paths.runs={tmp_path / 'cut'}"]
    with at("training_step", 7, ask_to_stop), pytest.raises(SystemExit):
        train(compose_run(own))
    run = compose_run([*own, "resume=true"])
    train(run)
    must_end_as(never_stopped.folder, run)


def test_a_run_resumes_on_another_number_of_processes(tiny_data: Path, tmp_path: Path) -> None:
    """Two passes of a step become one pass of each of two processes."""
    own = [*overrides_of(tiny_data), "backbone.dropout=0.0"]
    never_stopped = compose_run([*own, f"paths.runs={tmp_path / 'whole'}"])
    train(never_stopped)
    own += [f"paths.runs={tmp_path / 'cut'}"]
    with at("training_step", 8, ask_to_stop), pytest.raises(SystemExit):
        train(compose_run(own))
    others = [o for o in own if o != "trainer=cpu"]
    done = warm.run("train", *others, "trainer=ddp_cpu", "resume=true", folder=tmp_path, ranks=2)
    assert done.returncode == 0, done.stderr
    run = compose_run([*own, "resume=true"])
    for one, other in zip(rows(never_stopped.folder), rows(run.folder), strict=True):
        assert one.keys() == other.keys()
        assert [float(one[key]) for key in one] == pytest.approx(
            [float(other[key]) for key in one], rel=1e-4, nan_ok=True
        )
    expected = formats.read_checkpoint(never_stopped.folder).weights
    for name, value in formats.read_checkpoint(run.folder).weights.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-4, atol=1e-6)


def rows(folder: Path) -> list[dict[str, str]]:
    """The logged values of each row."""
    with (folder / "metrics.csv").open(newline="") as file:
        return [{k: v for k, v in row.items() if v} for row in csv.DictReader(file)]


def test_a_checkpoint_is_complete_or_absent(tmp_path: Path) -> None:
    path, writer = tmp_path / "last.ckpt", WholeCheckpoints()
    writer.save_checkpoint({"step": 1}, path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))  # like a full disk
    try:
        with pytest.raises(OSError, match=r"Cannot write .*last\.ckpt") as error:
            writer.save_checkpoint({"step": 2, "weights": torch.zeros(100_000)}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert str(error.value) == (
        f"Cannot write {path}: File too large. The previous checkpoint is intact: free some space "
        "and resume with `resume=true`."
    )
    assert torch.load(path, weights_only=True) == {"step": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_folder_has_one_run_at_a_time(tiny_data: Path, tmp_path: Path) -> None:
    run = compose_run([*overrides_of(tiny_data), f"paths.runs={tmp_path}", "resume=true"])
    run.folder.mkdir(parents=True)
    held, done = warm.CONTEXT.Event(), warm.CONTEXT.Event()
    other = warm.child(hold, (run.folder / "train.log", held, done))
    other.start()
    assert held.wait(timeout=60)
    with pytest.raises(ValueError, match="Another process") as e:
        train(run)
    done.set()
    other.join()
    assert str(e.value) == (
        f"Another process is writing {run.folder}. Wait until it ends, or stop it."
    )
    assert [entry.name for entry in run.folder.iterdir()] == ["train.log"]
