"""A run whose last checkpoint is damaged is not resumed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from fcn_lightning.models import build
from fcn_lightning.runs.folder import check_run
from fcn_lightning.runs.run import Run, compose_run

NETWORK = {
    "backbone": {"name": "vgg16", "widths": [1] * 5, "fc_widths": [1, 1]},
    "head": {},
    "num_classes": 2,
}


@pytest.fixture
def run() -> Run:
    """A run that was stopped after it wrote both checkpoints."""
    run = compose_run(["experiment=shapes", "init_from=null", "resume=true", "trainer=cpu"])
    folder = run.folder / "checkpoints"
    folder.mkdir(parents=True)
    network = build(**NETWORK)
    state = {f"network.{name}": value for name, value in network.state_dict().items()}
    card = {"format": 1, "network": network.description}
    torch.save({"fcn_lightning": card, "state_dict": state, "global_step": 3}, folder / "last.ckpt")
    shutil.copy(folder / "last.ckpt", folder / "best.ckpt")
    return run


def test_a_whole_checkpoint_is_resumed(run: Run) -> None:
    check_run(run)


@pytest.mark.parametrize("left", [0, 10, 2000, -100])
def test_a_truncated_or_empty_checkpoint_is_named_with_the_ways_out(run: Run, left: int) -> None:
    last = run.folder / "checkpoints" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:left])
    with pytest.raises(ValueError, match="damaged") as error:
        check_run(run)
    best = last.with_name("best.ckpt")
    assert str(error.value) == (
        f"{last} is damaged: it is empty, truncated or no checkpoint. Continue from the best one "
        f"(cp {best} {last}), or replace the run with overwrite=true."
    )
    shutil.copy(best, last)
    check_run(run)


def test_without_a_best_checkpoint_the_run_is_replaced(run: Run) -> None:
    for name in ("last", "best"):
        Path(run.folder, "checkpoints", f"{name}.ckpt").write_bytes(b"")
    with pytest.raises(ValueError, match=r"no checkpoint\. Replace the run with overwrite=true"):
        check_run(run)
