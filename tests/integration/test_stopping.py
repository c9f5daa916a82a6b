"""A run that is stopped at any moment goes on as if it never had been, bit for bit."""

from __future__ import annotations

import contextlib
import csv
import json
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fcn_lightning import weights
from fcn_lightning.callbacks import WholeCheckpoints, stopping
from fcn_lightning.cli.compose import Job, job
from fcn_lightning.cli.train import train
from fcn_lightning.task import SegmentationTask

Tiny = Callable[..., list[str]]

RUN = (
    "experiment=shapes", "head=fcn32s", "backbone.dropout=0.5", "augment.crop=64",
    "recipe.batch=4", "recipe.per_pass=2", "recipe.max_steps=7", "recipe.val_every=3",
    "recipe.lr=0.01",
)  # fmt: skip
"""Seven updates of two passes; validations after 3, 6 and 7."""


@pytest.fixture(scope="module")
def whole(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the run that was never stopped."""
    runs = tmp_path_factory.mktemp("whole")
    run = job([*overrides_of(tiny_data), f"paths.runs={runs}"])
    train(run)
    return run.folder


def overrides_of(data: Path) -> list[str]:
    tiny = [
        f"paths.data={data}", "trainer=cpu", "num_workers=0", "logger=csv", "init_from=null",
        "backbone.widths=[4,4,8,8,8]", "backbone.fc_widths=[16,16]", "callbacks=none",
    ]  # fmt: skip
    return [*tiny, *RUN]


def must_end_as(whole: Path, run: Job) -> None:
    """Weights, optimizer, scores and metrics, and what is known of the best checkpoint."""
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
    assert record | {"seconds": 0} == expected | {"seconds": 0}
    assert (run.folder / "metrics.csv").read_text() == (whole / "metrics.csv").read_text()
    mine, its = (np.load(folder / "per_image.npz") for folder in (run.folder, whole))
    assert all(np.array_equal(mine[key], its[key]) for key in its)


def equal(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(equal, a, b))
    return torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b


@contextlib.contextmanager
def at(step: str, number: int, act: Callable[[], None]) -> Iterator[None]:
    """Does something before a step of the task is taken for the n-th time."""
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
        ("training_step", 4, 2),  # in the second pass of an update
        ("training_step", 6, 3),  # a validation is due after it
        ("training_step", 14, 6),  # the last pass of all: the last validation follows
        ("validation_step", 1, 3),
        ("validation_step", 5, 3),
        ("validation_step", 13, 6),  # in the last validation
        ("test_step", 2, 7),
    ],
)
def test_asked_to_stop_it_saves_and_goes_on(
    step: str, number: int, saved_at: int, whole: Path, tiny_data: Path, tmp_path: Path
) -> None:
    own = [*overrides_of(tiny_data), f"paths.runs={tmp_path}"]
    with at(step, number, ask_to_stop), pytest.raises(SystemExit) as stopped:
        train(job(own))
    assert stopped.value.code == 143
    run = job([*own, "resume=true"])
    assert weights.read_checkpoint(run.folder).step == saved_at
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
def test_cut_off_without_warning_it_goes_on_from_the_last_checkpoint(
    step: str, number: int, saved_at: int | None, whole: Path, tiny_data: Path, tmp_path: Path
) -> None:
    own = [*overrides_of(tiny_data), f"paths.runs={tmp_path}"]
    with at(step, number, cut_off), pytest.raises(RuntimeError, match="cut off"):
        train(job(own))
    run = job([*own, "resume=true"])
    if saved_at is None:
        assert not (run.folder / "checkpoints" / "last.ckpt").exists()
    else:
        assert weights.read_checkpoint(run.folder).step == saved_at
    train(run)
    must_end_as(whole, run)


def test_stopped_again_and_again_it_ends_the_same(
    whole: Path, tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stopping, "EVERY", 0.0)  # saved before each update
    own = [*overrides_of(tiny_data), f"paths.runs={tmp_path}"]
    steps = []
    for _ in range(9):
        run = job([*own, "resume=true"])
        with at("training_step", 3, cut_off), contextlib.suppress(RuntimeError):
            train(run)
            break
        steps.append(weights.read_checkpoint(run.folder).step)
    assert steps == [1, 2, 3, 4, 5, 6]
    must_end_as(whole, run)


def test_in_a_folder_that_was_moved_it_still_knows_its_best(
    whole: Path, tiny_data: Path, tmp_path: Path
) -> None:
    own = overrides_of(tiny_data)
    with at("training_step", 10, ask_to_stop), pytest.raises(SystemExit):
        train(job([*own, f"paths.runs={tmp_path / 'here'}"]))
    (tmp_path / "here").rename(tmp_path / "there")
    run = job([*own, f"paths.runs={tmp_path / 'there'}", "resume=true"])
    train(run)
    must_end_as(whole, run)
    assert not (tmp_path / "here").exists()


def test_validated_only_at_its_end_it_goes_on_as_well(tiny_data: Path, tmp_path: Path) -> None:
    own = [*overrides_of(tiny_data), "recipe.val_every=100"]
    never_stopped = job([*own, f"paths.runs={tmp_path / 'whole'}"])
    train(never_stopped)
    own += [f"paths.runs={tmp_path / 'cut'}"]
    with at("training_step", 7, ask_to_stop), pytest.raises(SystemExit):
        train(job(own))
    run = job([*own, "resume=true"])
    train(run)
    must_end_as(never_stopped.folder, run)


def test_on_another_number_of_processes_the_updates_are_the_same(
    tiny_data: Path, tmp_path: Path
) -> None:
    """Two passes of an update become one of each process."""
    own = [*overrides_of(tiny_data), "backbone.dropout=0.0"]
    never_stopped = job([*own, f"paths.runs={tmp_path / 'whole'}"])
    train(never_stopped)
    own += [f"paths.runs={tmp_path / 'cut'}"]
    with at("training_step", 8, ask_to_stop), pytest.raises(SystemExit):
        train(job(own))
    others = [o for o in own if o != "trainer=cpu"]
    done = subprocess.run(
        [
            sys.executable, "-m", "fcn_lightning.cli.train", *others,
            "trainer=ddp_cpu", "resume=true",
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    run = job([*own, "resume=true"])
    for one, other in zip(rows(never_stopped.folder), rows(run.folder), strict=True):
        assert one.keys() == other.keys()
        assert [float(one[key]) for key in one] == pytest.approx(
            [float(other[key]) for key in one], rel=1e-4, nan_ok=True
        )
    expected = weights.read_checkpoint(never_stopped.folder).weights
    for name, value in weights.read_checkpoint(run.folder).weights.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-4, atol=1e-6)


def rows(folder: Path) -> list[dict[str, str]]:
    """What was logged, without what was not."""
    with (folder / "metrics.csv").open(newline="") as file:
        return [{k: v for k, v in row.items() if v} for row in csv.DictReader(file)]


def test_a_checkpoint_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path, writer = tmp_path / "last.ckpt", WholeCheckpoints()
    writer.save_checkpoint({"step": 1}, path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))  # as a disk that is full
    try:
        with pytest.raises(OSError, match=r"last\.ckpt must be written") as error:
            writer.save_checkpoint({"step": 2, "weights": torch.zeros(100_000)}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert str(error.value) == (
        f"{path} must be written; it cannot be (File too large). What was saved before is as it "
        "was: make room, and go on with resume=true."
    )
    assert torch.load(path, weights_only=True) == {"step": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_folder_has_one_run_at_a_time(tiny_data: Path, tmp_path: Path) -> None:
    run = job([*overrides_of(tiny_data), f"paths.runs={tmp_path}", "resume=true"])
    run.folder.mkdir(parents=True)
    hold = (
        "import sys; from pathlib import Path; from fcn_lightning.cli.processes import locked\n"
        "file = locked(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(run.folder / "train.log")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as other:  # fmt: skip
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(ValueError, match="by one process") as e:
            train(run)
        other.communicate("")
    assert str(e.value) == (
        f"{run.folder} must be written by one process at a time; another is at work there. Wait "
        "for its end, or stop it."
    )
    assert [entry.name for entry in run.folder.iterdir()] == ["train.log"]
