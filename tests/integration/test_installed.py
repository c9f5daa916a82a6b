"""The wheel, installed into a folder of its own: configs outside it, single and as a sweep."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import extending
from fcn_lightning.runs.record import read_record

CHECKOUT = Path(__file__).parents[2]

MINE = """\
# @package _global_
# Shapes in a few steps, built on the packaged experiment.
defaults:
  - /experiment/shapes
  - _self_
init_from: null
recipe:
  max_steps: 2
  val_every: 2
  batch: 2
backbone:
  widths: [4, 4, 8, 8, 8]
  fc_widths: [16, 16]
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment variables with which Python finds the wheel's package before any other."""
    target = tmp_path_factory.mktemp("installed")
    command = ["-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target)]
    subprocess.run([sys.executable, *command, str(CHECKOUT)], check=True)
    return {**os.environ, "PYTHONPATH": str(target), "WANDB_MODE": "offline"}


@pytest.mark.slow
def test_an_experiment_outside_the_package(
    installed: dict[str, str], tiny_data: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine" / "experiment").mkdir(parents=True)
    (tmp_path / "mine" / "experiment" / "mine.yaml").write_text(MINE)
    own = ["--config-dir", "mine", "experiment=mine", f"paths.data={tiny_data}", "trainer=cpu"]

    def python(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *arguments]
        return subprocess.run(command, env=installed, capture_output=True, text=True, check=False)

    where = "import fcn_lightning, fcn_lightning.runs.compose as c; print(c.conf_dir())"
    conf = Path(python("-c", where).stdout.strip())
    assert conf == Path(installed["PYTHONPATH"]) / "fcn_lightning" / "conf"

    single = python("-m", "fcn_lightning.cli.train", *own, "num_workers=0")
    assert single.returncode == 0, single.stderr
    report = python("-m", "fcn_lightning.cli.fcn", "report", "table2")  # template, styles, script
    assert report.returncode == 0, report.stderr
    assert "mine/fcn" in (tmp_path / "report.html").read_text()
    sweep = python("-m", "fcn_lightning.cli.train", "-m", *own, "num_workers=0", "seed=1,2")
    assert sweep.returncode == 0, sweep.stderr
    assert "2 of 2 jobs done" in sweep.stderr
    for seed in (0, 1, 2):
        record = read_record(tmp_path / "runs" / "mine" / "fcn32s" / f"seed{seed}")
        assert (record.experiment, record.step, record.seed) == ("mine", 2, seed)
    listed = python("-m", "fcn_lightning.cli.fcn", "table", "list")
    assert listed.stdout.startswith("cvpr2015/claims ")


@pytest.mark.slow
def test_the_examples_of_extending_from_outside_the_package(
    installed: dict[str, str], tmp_path: Path
) -> None:
    extending.draw_streets(tmp_path / "data" / "streets")
    mine = extending.write_examples(tmp_path)
    environment = {**installed, "PYTHONPATH": f"{installed['PYTHONPATH']}:{mine}"}

    def python(module: str, *arguments: str) -> str:
        command = [sys.executable, "-m", f"fcn_lightning.cli.{module}", *arguments]
        done = subprocess.run(
            [*command, "--config-dir", "mine"],
            env=environment, cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    small = ["backbone=dilated", "backbone.width=4", "init_from=null", "trainer=cpu"]
    small += ["recipe.max_steps=2", "recipe.val_every=2", "augment.crop=32", "num_workers=0"]
    python("fcn", "data", "check", "streets")
    python("train", "experiment=streets", "head.skips=[fine]", "logger=csv", *small)
    (run,) = tmp_path.glob("runs/streets/*/seed0")
    python("fcn", "evaluate", str(run))
    python("fcn", "predict", str(run), "data/streets/images/0.jpg", "--out", "masks")
    assert (tmp_path / "masks" / "0.png").is_file()
    table = ["mine/table.yaml", "--data", "streets"]
    # A row's configuration is the table's own, so that the small one is written into its rows.
    text = (mine / "table.yaml").read_text()
    for row in ("head=fcn32s]", "recipe=focal]"):
        text = text.replace(row, f"{row[:-1]}, {', '.join(small)}]")
    (mine / "table.yaml").write_text(text)
    shown = python("fcn", "table", "run", *table, "--seeds", "0")
    assert "Softmax" in shown
    assert "Written: runs/tables/table-streets.md" in shown
    markdown = python("fcn", "table", "show", *table, "--markdown")
    assert "| Focal" in markdown
