"""The real commands on one GPU and on two."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from fcn_lightning import formats
from fcn_lightning.runs.devices import visible_gpus
from fcn_lightning.runs.record import read_record

Tiny = Callable[..., list[str]]

TRAINERS = {"one": ["trainer=gpu"], "two": ["trainer=ddp", "trainer.devices=2"]}

WEIGHTS = {"rtol": 1e-4, "atol": 1e-6}
"""Of weights after 10 updates, whose gradients were summed in another order."""


def run(module: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"fcn_lightning.cli.{module}", *arguments]
    variables = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=variables)


def trained(overrides: list[str], trainer: list[str], runs: Path) -> Path:
    """The folder of a run by these overrides, on the trainer's devices."""
    common = [o for o in overrides if not o.startswith(("trainer=", "paths.runs="))]
    done = run("train", *common, *trainer, "trainer.deterministic=warn", f"paths.runs={runs}")
    assert done.returncode == 0, done.stderr
    (folder,) = runs.glob("shapes/*/seed0")
    return folder


def learned(folder: Path) -> dict[str, Tensor]:
    """The weights of a run's last checkpoint."""
    return formats.read_checkpoint(folder).weights


@pytest.mark.gpu(2)
def test_two_gpus_equal_one(tiny: Tiny, tmp_path: Path) -> None:
    """From a network that tells some shapes apart; scores to the bit where weights are the same."""
    own = ["experiment=shapes", "head=fcn32s", "recipe.batch=4", "recipe.warmup=0"]
    long = ["recipe.max_steps=100", "recipe.val_every=100", "recipe.lr=0.01"]
    start = trained(tiny(*own, *long), TRAINERS["one"], tmp_path / "start")
    own += [f"init_from={start}", "recipe.optimizer=sgd", "backbone.dropout=0.0"]

    moved = tiny(*own, "recipe.max_steps=10", "recipe.lr=0.01")
    one, two = (trained(moved, trainer, tmp_path / name) for name, trainer in TRAINERS.items())
    expected = learned(one)
    assert any(not torch.equal(value, expected[name]) for name, value in learned(start).items())
    for name, value in learned(two).items():
        torch.testing.assert_close(value, expected[name], **WEIGHTS)

    still = tiny(*own, "recipe.lr=1e-30")
    one, two = (trained(still, trainer, tmp_path / f"{n}_still") for n, trainer in TRAINERS.items())
    for folder in (one, two):
        assert all(torch.equal(v, learned(start)[name]) for name, v in learned(folder).items())
    images = [np.load(folder / "per_image.npz") for folder in (one, two)]
    assert images[1]["names"].tolist() == images[0]["names"].tolist()
    np.testing.assert_array_equal(images[1]["confusion"], images[0]["confusion"])
    predicted = images[0]["confusion"].sum((0, 1))
    assert np.count_nonzero(predicted) > 1, "background alone would be the same anyhow"


def test_tf32_is_near_float32_and_recorded(tiny: Tiny, tmp_path: Path) -> None:
    own, losses = tiny("experiment=shapes", "recipe.max_steps=2"), {}
    for precision, recorded in (("highest", "32-true"), ("high", "32-true, TF32")):
        trainer = [*TRAINERS["one"], f"matmul_precision={precision}"]
        folder = trained(own, trainer, tmp_path / precision)
        record = read_record(folder)
        assert record.precision == recorded
        losses[precision] = record.scores["loss"]
    assert losses["high"] == pytest.approx(losses["highest"], rel=1e-2)


@pytest.mark.parametrize(
    ("num_gpus", "num_jobs"),
    [pytest.param(1, 2, marks=pytest.mark.gpu(1)), pytest.param(2, 4, marks=pytest.mark.gpu(2))],
)
def test_a_sweep_gives_each_job_a_gpu_of_its_own(tiny: Tiny, num_gpus: int, num_jobs: int) -> None:
    gpus = visible_gpus()[:num_gpus]
    seeds = ",".join(map(str, range(num_jobs)))
    common = [o for o in tiny("experiment=shapes", f"seed={seeds}") if o != "trainer=cpu"]
    done = run("train", "-m", *common, "trainer=gpu", CUDA_VISIBLE_DEVICES=",".join(gpus))
    assert done.returncode == 0, done.stderr

    states = re.findall(r"^#(\d+) \S+: (running|done)(?: on GPU (.+?) for)?", done.stderr, re.M)
    at_work: dict[str, str] = {}
    most = 0
    for number, state, gpu in states:
        if state == "done":
            del at_work[number]
            continue
        assert gpu in gpus
        assert gpu not in at_work.values()
        at_work[number] = gpu
        most = max(most, len(at_work))
    assert len(states) == 2 * num_jobs, done.stderr
    assert most == num_gpus
