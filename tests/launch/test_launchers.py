"""`fcn-train -m`: what is composed, how often, and what is refused before a job starts.

No job's process is started here; tests/launch/test_sweeps.py starts them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.plugins import Plugins
from omegaconf import OmegaConf

from fcn_lightning.cli import train
from fcn_lightning.launch import JobsFailedError
from fcn_lightning.launch.job import Job
from fcn_lightning.launch.local import LocalSweep
from launch.conftest import finish

Tiny = Callable[..., list[str]]
Sweep = Callable[..., list[Job]]
DDP = ("trainer=ddp_cpu", "trainer.devices=2")


@pytest.fixture
def ends() -> dict[int, str]:
    """How jobs end, by their number, where they do not finish."""
    return {}


@pytest.fixture
def sweep(ends: dict[int, str], monkeypatch: pytest.MonkeyPatch) -> Sweep:
    """Runs `fcn-train -m`, and returns its jobs, which end without having started."""
    jobs: list[Job] = []

    def run(self: LocalSweep, batch: Sequence[Job]) -> None:
        for job in batch:
            job.state, job.mean_iu = ends.get(job.number, "done"), 0.5  # type: ignore[assignment]
        jobs.extend(batch)

    monkeypatch.setattr(LocalSweep, "run", run)

    def command(*arguments: str) -> list[Job]:
        monkeypatch.setattr("sys.argv", ["fcn-train", "-m", *arguments])
        train.main()
        return jobs

    return command


@pytest.fixture
def refused(sweep: Sweep, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a sweep that is refused, and returns what it says."""

    def sentence(*arguments: str) -> str:
        with pytest.raises(SystemExit) as ended:
            sweep(*arguments)
        assert ended.value.code == 2
        return capsys.readouterr().err

    return sentence


@pytest.fixture
def composed(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The overrides of each composition of a job that the launcher asks for."""
    calls: list[list[str]] = []
    load = ConfigLoaderImpl.load_sweep_config

    def counted(self: Any, master_config: Any, sweep_overrides: list[str]) -> Any:
        if sys._getframe(1).f_code.co_name != "validate_batch_is_legal":  # Hydra's own sweeper
            calls.append(sweep_overrides)
        return load(self, master_config, sweep_overrides)

    monkeypatch.setattr(ConfigLoaderImpl, "load_sweep_config", counted)
    return calls


def test_each_job_is_composed_once(sweep: Sweep, composed: list[list[str]], tiny: Tiny) -> None:
    jobs = sweep(*tiny("experiment=shapes", "head=fcn16s,fcn32s", "seed=0,1"))
    assert len(composed) == 4
    assert [job.run.name.partition("-")[0] for job in jobs] == ["fcn16s"] * 2 + ["fcn32s"] * 2
    assert [[each.number for each in job.after] for job in jobs] == [[2], [3], [], []]
    assert [list(job.arguments) for job in jobs] == [[*own, "hydra.mode=RUN"] for own in composed]


def test_a_job_composes_what_the_sweep_has_checked(
    sweep: Sweep, tiny: Tiny, tmp_path: Path
) -> None:
    """With a config folder, a main config and a search path of one's own."""
    files = {
        "mine/own.yaml": "defaults: [train, _self_]\nhydra: {job: {name: mine}}\n",
        "mine/experiment/mine.yaml": (
            "# @package _global_\ndefaults: [/experiment/shapes, {override /recipe: other}]\n"
        ),
        "more/recipe/other.yaml": "defaults: [adamw]\nweight_decay: 0.0625\n",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    own = tiny("experiment=mine", "head=fcn32s,fcn32s_fixed", "recipe.clip=0.5")
    options = ["--config-dir", "mine", "--config-name", "own"]
    hydra = [
        f"hydra.searchpath=[{tmp_path}/more]",
        "hydra.launcher.cpu_slots=2",
        "hydra.verbose=no",
    ]
    job = sweep(*options, *own, *hydra)[1]
    assert job.run.config.recipe.weight_decay == 0.0625
    assert job.run.folder.parts[-3] == "mine"
    expected = ["--config-dir", str(tmp_path / "mine"), "--config-name", "own"]
    assert list(job.arguments[:4]) == expected
    assert list(job.arguments[-3:]) == [hydra[0], hydra[2], "hydra.mode=RUN"]
    shown = subprocess.run([*job.command, "--cfg", "job"], capture_output=True, check=True)
    assert yaml.safe_load(shown.stdout) == OmegaConf.to_container(job.run.config)


def test_a_failed_job_is_the_sweeps_status(
    sweep: Sweep, ends: dict[int, str], tiny: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    ends[1] = "failed"
    with pytest.raises(SystemExit) as ended:
        sweep(*tiny("experiment=shapes", "seed=0,1"))
    assert ended.value.code == 1
    assert capsys.readouterr().err == "", "the sweep's status has told it"


def test_a_search_sees_scores_and_failures(
    ends: dict[int, str], sweep: Sweep, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Optuna does: it reads `return_value`, and counts an Exception as a failed trial."""
    seen: list[object] = []

    def search(self: Any, arguments: list[str]) -> None:
        for result in self.launcher.launch([[*arguments, f"seed={i}"] for i in (0, 1)], 0):
            try:
                seen.append(result.return_value)
            except Exception as error:
                seen.append(type(error))

    name = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"
    monkeypatch.setattr(Plugins.instance().class_name_to_class[name], "sweep", search)
    ends[1] = "stopped"
    sweep(*tiny("experiment=shapes"))
    assert seen == [0.5, JobsFailedError]


def test_parts_of_a_sweep_are_numbered_on_and_resumed_as_a_whole(sweep: Sweep, tiny: Tiny) -> None:
    own = tiny("experiment=shapes", "seed=0,1", "hydra.sweeper.max_batch_size=1")
    first = sweep(*own)[0]
    finish(first.run.folder)
    jobs = sweep(*own, "resume=true")[2:]
    assert [job.number for job in jobs] == [0, 1]
    assert all(job.arguments[-1] == "resume=auto" for job in jobs)


@pytest.mark.parametrize(
    ("own", "sentence"),
    [
        (
            ("seed=0", "hydra/launcher=basic", *DDP),
            "hydra/launcher=basic runs only jobs of one process. Use hydra/launcher=local or slurm "
            "for jobs of several processes.",
        ),
        (
            ("head=fcn16s,fcn32s", "hydra/launcher=basic"),
            "the stage before this one, does not exist. Train it first",
        ),
        (
            ("seed=0", "recipe.batch=3", *DDP),
            "`recipe.batch` (3) must be divisible by the number of processes (2)",
        ),
        (("seed=0,0",), "Two jobs of the sweep are the same run: "),
        (("seed=0", "resume=true"), "Nothing to resume: no run of the sweep exists."),
        (("seed=0", "hydra.run.dir=x"), "`hydra.run.dir` cannot be set: a run's folder follows"),
        (("seed=0", "recipe.lrr=1"), "Unknown key `recipe.lrr`. Did you mean `recipe.lr`?"),
        (
            ("seed=0", "hydra/launcher=slurm", "trainer=auto"),
            "A job on a cluster must declare its devices; got trainer.accelerator=auto and "
            "trainer.devices=1. Use trainer=gpu, trainer=ddp with trainer.devices=N for N GPUs, or "
            "trainer=cpu.",
        ),
        (
            ("seed=0", "hydra/launcher=slurm"),
            "hydra/launcher=slurm needs `sbatch`, which is not on this machine.",
        ),
    ],
)
def test_what_cannot_run_is_refused_before_a_job_starts(
    own: tuple[str, ...], sentence: str, refused: Callable[..., str], tiny: Tiny, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    os.environ["PATH"] = str(tmp_path / "empty")
    said = refused(*tiny("experiment=shapes", *own))
    assert sentence in said
    assert len(said.splitlines()) == 1
    assert not list(tmp_path.glob("runs/shapes"))
