"""A sweep on this machine: its slots, its jobs' processes, and how it is stopped.

The processes are short scripts; those of tests/launch/test_sweeps.py are the real command.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cluster.processes import running_with, wait_until
from fcn_lightning.launch import local
from fcn_lightning.launch.job import Job, SweepFile
from fcn_lightning.launch.local import LocalSweep, Slots
from fcn_lightning.runs.compose import compose
from fcn_lightning.runs.devices import Needs, visible_gpus
from fcn_lightning.runs.processes import PARENT
from fcn_lightning.runs.run import Run, read_run
from launch.conftest import finish, record

Jobs = Callable[..., list[Job]]
Scripts = dict[int, str]


@pytest.fixture(scope="module")
def run() -> Run:
    """A run, composed once."""
    config = compose(["experiment=shapes", "init_from=null", "trainer=cpu"])
    return read_run(config, config.hydra)


@pytest.fixture
def jobs(run: Run, tmp_path: Path) -> Jobs:
    """Makes jobs of runs in folders of their own."""

    def make(*names: str, **settings: object) -> list[Job]:
        own = run.settings.model_copy(update=settings)
        folders = [tmp_path / "runs" / "shapes" / name / "seed0" for name in names]
        runs = [replace(run, folder=folder, settings=own) for folder in folders]
        return [Job(number, each, ()) for number, each in enumerate(runs)]

    return make


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> dict[int, str]:
    """The Python code that each job runs in place of a training, by the job's number."""
    codes: dict[int, str] = {}
    command = property(lambda job: [sys.executable, "-c", codes[job.number]])
    monkeypatch.setattr(Job, "command", command)
    monkeypatch.setattr(local, "can_fork", lambda jobs: False)
    return codes


def finishing(job: Job) -> str:
    """A script that ends as a training does: with a record in the run's folder."""
    return (
        f"from pathlib import Path; folder = Path({str(job.run.folder)!r})\n"
        "folder.mkdir(parents=True, exist_ok=True)\n"
        f"(folder / 'scores.json').write_text({record(0.25)!r})\n"
    )


def waiting(*, ends: bool = True) -> str:
    """A script that sleeps, and does or does not end when it is asked to."""
    ignore = "" if ends else "signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    return f"import signal, time; {ignore}print('ready', flush=True); time.sleep(60)"


def needing(job: Job, needs: Needs) -> Job:
    job.run = replace(job.run, needs=needs)
    return job


def states(folder: Path) -> list[str]:
    return [entry["state"] for entry in SweepFile(folder).read()]


def test_jobs_get_gpus_that_no_other_job_has(jobs: Jobs) -> None:
    slots, (one, two) = Slots(["0", "1", "2"], cpus=1), jobs("a", "b")
    assert slots.free(2, []) == ["0", "1"]
    one.gpus = ["0", "1"]
    assert slots.free(2, [one]) is None
    assert slots.free(1, [one]) == ["2"]
    two.gpus = ["2"]
    assert slots.free(1, [one, two]) is None
    assert slots.free(2, [two]) == ["0", "1"]
    assert slots.free(3, [two]) is None
    assert slots.free(1, [two]) == ["0"]


def test_jobs_on_cpus_take_slots_and_no_gpus(jobs: Jobs) -> None:
    slots, (one, two) = Slots(["0"], cpus=2), jobs("a", "b")
    assert [slots.free(0, []), slots.free(0, [one])] == [[], []]
    assert slots.free(0, [one, two]) is None
    assert slots.free(1, [one, two]) == ["0"]


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
            "`trainer` asks for 2 GPUs, but a job can have 1. Set trainer.devices.",
        ),
        (
            Needs(num_processes=2, num_gpus=0, num_nodes=2),
            Slots([], 1),
            "A local sweep runs on this machine alone; got trainer.num_nodes=2. Use "
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
    needs: Needs, slots: Slots, sentence: str, jobs: Jobs, tmp_path: Path
) -> None:
    first, second = jobs("a", "b", overwrite=True)
    finish(first.run.folder)
    needing(first, Needs(num_processes=1, num_gpus=len(slots.gpus), num_nodes=1))
    with pytest.raises(ValueError, match=r".") as error:
        LocalSweep(tmp_path / "sweep", slots).run([first, needing(second, needs)])
    assert str(error.value) == sentence
    assert (first.run.folder / "scores.json").is_file()


def test_a_failed_job_blocks_only_the_jobs_that_start_from_it(
    jobs: Jobs, scripts: Scripts, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    own = jobs("16s", "32s", "8s", "another_16s", "another_32s", "another_8s")
    for sixteen, thirty_two, eight in (own[:3], own[3:]):
        sixteen.after, eight.after = [thirty_two], [sixteen]
    scripts.update({job.number: finishing(job) for job in own})
    scripts[1] = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    sweep, folder = LocalSweep(tmp_path / "sweep", Slots([], 2)), tmp_path / "sweep"
    sweep.run(own)
    assert states(folder) == ["not started", "failed", "not started", "done", "done", "done"]
    told = capfd.readouterr().err.splitlines()
    assert f"#1 32s/seed0: failed, SIGKILL, see {folder / '1.log'}" in told
    assert "#0 16s/seed0: not started, 32s/seed0 failed" in told
    assert "#2 8s/seed0: not started, 16s/seed0 not started" in told
    assert told[-1] == "3 of 6 jobs done"
    (done,) = (line for line in told if line.startswith("#3 another_16s/seed0: done"))
    assert re.fullmatch(r".*: done, mean IU 25\.00 \(\d+ s\)", done)
    order = [line.partition(" ")[0] for line in told if ": running" in line]
    assert [number for number in order if number in ("#3", "#4", "#5")] == ["#4", "#3", "#5"]


def test_a_job_without_scores_has_failed_whatever_its_status(
    jobs: Jobs, scripts: Scripts, tmp_path: Path
) -> None:
    (job,) = jobs("a")
    scripts[0] = "pass"
    LocalSweep(tmp_path, Slots([], 1)).run([job])
    assert (job.state, job.why) == ("failed", f"status 0, see {tmp_path / '0.log'}")


def test_the_environment_of_a_job_is_its_own(
    jobs: Jobs, scripts: Scripts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 12)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "SLURM_PROCID", "SLURM_NTASKS"):
        monkeypatch.setenv(name, "3")
    on_cpus, on_gpus = jobs("a", "b")
    needing(on_cpus, Needs(num_processes=3, num_gpus=0, num_nodes=1))
    needing(on_gpus, Needs(num_processes=2, num_gpus=2, num_nodes=1))
    write = "import json, os; json.dump(dict(os.environ), open({!r}, 'w'))"
    scripts.update({i: write.format(str(tmp_path / f"{i}.json")) for i in (0, 1)})
    slots = Slots(["5", "7", "9"], cpus=2)
    LocalSweep(tmp_path / "mine", slots, {"WANDB_MODE": "offline"}).run([on_cpus, on_gpus])
    cpus, gpus = (json.loads((tmp_path / f"{i}.json").read_text()) for i in (0, 1))
    assert cpus["OMP_NUM_THREADS"] == "2", "12 cores, 2 slots, 3 processes"
    assert "OMP_NUM_THREADS" not in gpus
    assert gpus["CUDA_VISIBLE_DEVICES"] == "5,7"
    for environment in (cpus, gpus):
        assert environment[PARENT] == str(os.getpid())
        assert environment["WANDB_RUN_GROUP"] == "mine"
        assert environment["WANDB_MODE"] == "offline"
        assert not {"RANK", "LOCAL_RANK", "WORLD_SIZE"} & environment.keys()
        assert not [name for name in environment if name.startswith("SLURM_")]


def test_no_two_jobs_have_a_gpu_at_a_time(jobs: Jobs, scripts: Scripts, tmp_path: Path) -> None:
    own = [needing(job, Needs(1, 1, 1)) for job in jobs("a", "b", "c", "d")]
    note = (
        "import os, time; gpu = os.environ['CUDA_VISIBLE_DEVICES']; begin = time.monotonic()\n"
        "time.sleep(0.3); print(gpu, begin, time.monotonic())"
    )
    scripts.update({job.number: note for job in own})
    LocalSweep(tmp_path, Slots(["0", "1"], 0)).run(own)
    spans: dict[str, list[tuple[float, float]]] = {"0": [], "1": []}
    for job in own:
        gpu, begin, end = (tmp_path / f"{job.number}.log").read_text().split()
        spans[gpu].append((float(begin), float(end)))
    for gpu in spans.values():
        assert len(gpu) > 0
        assert all(a[1] <= b[0] for a, b in zip(sorted(gpu), sorted(gpu)[1:]))


def test_a_signal_waits_for_the_jobs_and_is_the_sweeps_status(
    jobs: Jobs, scripts: Scripts, tmp_path: Path
) -> None:
    own = jobs("a", "b")
    scripts[0] = (
        "import os, pathlib, signal, sys, time\n"
        "def save(*_):\n"
        f"    pathlib.Path('{tmp_path}/saved').touch()\n"
        "    sys.exit(143)\n"
        "signal.signal(signal.SIGTERM, save)\n"
        "os.kill(os.getppid(), signal.SIGTERM)\n"
        "time.sleep(60)\n"
    )
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as stopped:
        LocalSweep(tmp_path / "sweep", Slots([], 1)).run(own)
    assert stopped.value.code == 143
    assert (tmp_path / "saved").exists()
    assert states(tmp_path / "sweep") == ["stopped", "not started"]
    assert own[0].why == "by SIGTERM"
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_second_signal_kills_what_does_not_end(
    jobs: Jobs, scripts: Scripts, tmp_path: Path
) -> None:
    own = jobs("a", "b")
    scripts.update({0: waiting(ends=False), 1: waiting()})
    sweep, asked = LocalSweep(tmp_path / "sweep", Slots([], 1), {"OF_TEST": str(tmp_path)}), []

    def ask_twice() -> None:
        log = tmp_path / "sweep" / "0.log"
        wait_until(lambda: log.is_file() and "ready" in log.read_text(), 60, "the job has started")
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
            asked.append(len(running_with("OF_TEST", str(tmp_path))))

    thread = threading.Thread(target=ask_twice)
    thread.start()
    with pytest.raises(SystemExit) as stopped:
        sweep.run(own)
    thread.join()
    assert stopped.value.code == 130
    assert states(tmp_path / "sweep") == ["failed", "not started"]
    assert own[0].why.startswith("SIGKILL, see ")
    assert asked == [1, 0], "no process is left after the second signal"


KILLED = """
import os, signal, subprocess, sys

job = subprocess.Popen(
    [sys.executable, "-m", "fcn_lightning.cli.train", *sys.argv[1:]],
    env={**os.environ, "FCN_LIGHTNING_PARENT": str(os.getpid())},
    stdout=2, start_new_session=True,
)
print(job.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
"""A sweep that is killed as soon as it has started a job."""


def test_a_job_ends_whose_sweep_was_killed_at_its_start(
    tiny: Callable[..., list[str]], tmp_path: Path
) -> None:
    long = ("recipe.max_steps=100000", "recipe.val_every=100000")
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *tiny("experiment=shapes", *long)],
        env={**os.environ, "OF_TEST": str(tmp_path)},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL
    assert done.stderr.startswith("The process that started this one (")
    assert done.stderr.endswith(") has ended.\n")
    assert running_with("OF_TEST", str(tmp_path)) == []
    assert not (tmp_path / "runs").exists()
