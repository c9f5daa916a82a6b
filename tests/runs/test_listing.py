import multiprocessing
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from fcn_lightning.runs.folder import locked
from fcn_lightning.runs.listing import Listed, check_removal, find_run, list_runs

Finish = Callable[..., Path]


def unfinished(folder: Path, config: dict[str, object], steps: int) -> Path:
    folder.mkdir(parents=True)
    (folder / "train.log").touch()
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "metrics.csv").write_text(f"step,train/loss\n{steps},1.5\n")
    return folder


@pytest.fixture
def stopped(runs: Path) -> Path:
    """FCN-16s, stopped at step 7 of 450."""
    config = {
        "recipe": {"max_steps": 450}, "init_from": "default", "classifier": "vgg16.pth",
        "stage": {"name": "fcn16s", "before": "fcn32s"},
    }  # fmt: skip
    return unfinished(runs / "shapes/fcn16s/seed0", config, 7)


def by_end(runs: Path) -> dict[str, Listed]:
    return {"/".join(run.folder.parts[-3:]): run for run in list_runs(runs)}


def test_states_steps_and_scores(runs: Path, finish: Finish, stopped: Path):
    finish("shapes/fcn32s/seed0", (0.9, 0.5, 0.4, 0.8))
    broken = unfinished(runs / "shapes/fcn8s/seed3", {}, 2)
    (broken / "scores.json").write_text("{")
    found = {
        name: (run.state, run.step, run.max_steps, run.mean_iu)
        for name, run in by_end(runs).items()
    }
    assert found == {
        "shapes/fcn16s/seed0": ("stopped", 7, 450, None),
        "shapes/fcn32s/seed0": ("done", 450, 450, 0.4),
        "shapes/fcn8s/seed3": ("broken", 2, None, None),
    }
    assert by_end(runs)["shapes/fcn16s/seed0"].size == sum(
        (stopped / name).stat().st_size for name in ("config.yaml", "metrics.csv")
    )


@pytest.fixture
def held(stopped: Path) -> Iterator[Path]:
    """The run, whose log another process has locked."""

    context = multiprocessing.get_context("fork")
    ready, done = context.Event(), context.Event()

    def hold() -> None:
        file = locked(stopped / "train.log")
        ready.set()
        done.wait(60)
        file.close()

    process = context.Process(target=hold)
    process.start()
    assert ready.wait(60)
    yield stopped
    done.set()
    process.join(60)


def test_a_run_at_work_is_not_removed(held: Path, runs: Path):
    (run,) = list_runs(runs)
    assert run.state == "running"
    with pytest.raises(
        ValueError, match=r"^A process is writing .*fcn16s/seed0\. Stop it first\.$"
    ):
        check_removal([run], [run])


def test_a_run_that_another_one_starts_from_is_not_removed(
    runs: Path, finish: Finish, stopped: Path
):
    finish("shapes/fcn32s/seed0")
    every = list_runs(runs)
    earlier, later = find_run(Path("fcn32s/seed0"), every), find_run(stopped, every)
    assert runs / "shapes/fcn32s/seed0" in later.starts
    message = "^runs/shapes/fcn16s/seed0 starts from runs/shapes/fcn32s/seed0. Remove the later"
    with pytest.raises(ValueError, match=message):
        check_removal([earlier], every)
    check_removal([earlier, later], every)
    check_removal([later], every)


def test_runs_are_found_by_their_end(runs: Path, finish: Finish):
    finish("shapes/fcn32s/seed0")
    finish("voc/fcn32s/seed0")
    every = list_runs(runs)
    assert find_run(Path("voc/fcn32s/seed0"), every).experiment == "voc"
    with pytest.raises(ValueError, match=r"^fcn32s/seed0 names several runs: runs/shapes/fcn32s"):
        find_run(Path("fcn32s/seed0"), every)
    with pytest.raises(ValueError, match=r"^There is no run fcn8s/seed0\. `fcn runs list` names"):
        find_run(Path("fcn8s/seed0"), every)
    with pytest.raises(ValueError, match=r"^There is no folder nowhere\."):
        list_runs(Path("nowhere"))
