"""The slots that a sweep's jobs run on, and what is refused before one starts."""

from __future__ import annotations

import errno
import fcntl
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from fcn_lightning.cli.errors import InputError
from fcn_lightning.cli.plan import plan
from fcn_lightning.cli.processes import locked
from fcn_lightning.cli.slurm import submit
from fcn_lightning.cli.sweep import Slots, Sweep, visible_gpus
from fcn_lightning.cli.trainer import Needs
from hydra_plugins.fcn_launcher.slurm import SlurmLauncher

Tiny = Callable[..., list[str]]


def test_jobs_take_gpus_and_give_them_back() -> None:
    slots = Slots(["0", "1", "2"], cpus=1)
    assert slots.take(2) == ["0", "1"]
    assert not slots.fit(2)
    assert slots.take(1) == ["2"]
    assert not slots.fit(1)
    slots.give_back(["0", "1"])
    assert slots.fit(2)
    assert not slots.fit(3)
    assert slots.take(1) == ["0"]


def test_jobs_on_cpus_take_places_and_no_gpus() -> None:
    slots = Slots(["0"], cpus=2)
    assert [slots.take(0), slots.take(0)] == [[], []]
    assert not slots.fit(0)
    assert slots.fit(1)
    slots.give_back([])
    assert slots.fit(0)


@pytest.mark.parametrize(("named", "gpus"), [("3,5", ["3", "5"]), ("", []), ("GPU-a", ["GPU-a"])])
def test_only_visible_gpus_are_given_out(
    named: str, gpus: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert visible_gpus() == gpus


@pytest.mark.parametrize(
    ("needs", "slots", "sentence"),
    [
        (
            Needs(num_processes=2, num_gpus=2, num_nodes=1),
            Slots(["0"], 1),
            "A job must fit the GPUs that are there (1); `trainer` wants 2.",
        ),
        (
            Needs(num_processes=2, num_gpus=0, num_nodes=2),
            Slots([], 1),
            "A job of a sweep must run on this machine; `trainer` wants 2. Use "
            "hydra/launcher=slurm.",
        ),
        (
            Needs(num_processes=1, num_gpus=0, num_nodes=1),
            Slots([], 0),
            "`hydra.launcher.cpu_slots` must be at least 1; got 0.",
        ),
    ],
)
def test_a_job_that_fits_nowhere_is_refused_and_no_scores_are_lost(
    needs: Needs, slots: Slots, sentence: str, tiny: Tiny, tmp_path: Path
) -> None:
    own = tiny("experiment=shapes", "overwrite=true")
    first, second = plan([[*own, "seed=0"], [*own, "seed=1"]])
    first.run.folder.mkdir(parents=True)
    (first.run.folder / "scores.json").write_text("{}")
    fitting = Needs(num_processes=1, num_gpus=len(slots.gpus), num_nodes=1)
    jobs = [replace(first, needs=fitting), replace(second, needs=needs)]
    with pytest.raises(InputError) as error:
        Sweep(tmp_path / "sweep", slots).run(jobs)
    assert str(error.value) == sentence
    assert (first.run.folder / "scores.json").is_file()


def test_without_slurm_nothing_is_submitted(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = plan([tiny("experiment=shapes")])
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="must find `sbatch`; it is not on this machine"):
        submit(planned, tmp_path / "sweep", 0, {})
    assert not (tmp_path / "sweep").exists()


def test_a_search_is_not_left_in_a_queue(tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    launcher = SlurmLauncher(OmegaConf.create({}))
    sweeper = {"_target_": "hydra_plugins.hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper"}
    launcher.config = OmegaConf.create({"hydra": {"sweep": {"dir": "s"}, "sweeper": sweeper}})
    with pytest.raises(SystemExit) as ended:
        launcher.launch([tiny("experiment=shapes")], 0)
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "A search must wait for its jobs; use hydra/launcher=local.\n"
    )


def test_a_file_system_without_locks_is_taken_at_its_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unsupported(*arguments: object) -> None:
        raise OSError(errno.ENOTSUP, "not supported")

    monkeypatch.setattr(fcntl, "lockf", unsupported)
    monkeypatch.setattr(logging.getLogger("fcn_lightning"), "propagate", True)
    locked(tmp_path / "train.log").close()
    assert caplog.messages == [
        f"{tmp_path} cannot be locked: see to it that one process writes there"
    ]
