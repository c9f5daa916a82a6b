"""A search by Optuna: each trial is a job, whose processes all have its values."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.slow

Tiny = Callable[..., list[str]]


def test_optuna_finds_the_best_of_its_trials(tiny: Tiny, tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper", reason="needs the extra `search`")
    search = [
        "hparams_search=optuna", "hydra.sweeper.n_trials=3", "hydra.sweeper.sampler.seed=1",
        "recipe.lr=tag(log,interval(1e-4,1e-2))", "recipe=choice(adamw,cvpr2015)",
    ]  # fmt: skip
    own = tiny("experiment=shapes", "trainer=ddp_cpu", "trainer.devices=2", "recipe.max_steps=6")
    done = subprocess.run(
        [sys.executable, "-m", "fcn_lightning.cli.train", "-m", *search, *own],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (sweep,) = tmp_path.glob("runs/sweeps/*")
    best = yaml.safe_load((sweep / "optimization_results.yaml").read_text())
    records = [json.loads(p.read_text()) for p in tmp_path.glob("runs/shapes/*/*/scores.json")]
    assert len(records) == 3
    assert {record["num_processes"] for record in records} == {2}
    assert best["best_value"] == max(record["scores"]["mean_iu"] for record in records)
    rates = {yaml.safe_load(p.read_text())["recipe"]["lr"] for p in configs(tmp_path)}
    assert len(rates) == 3
    assert best["best_params"]["recipe.lr"] in rates


def configs(folder: Path) -> list[Path]:
    return list(folder.glob("runs/shapes/*/*/config.yaml"))
