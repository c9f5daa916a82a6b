"""The runs below a folder: their states, scores and sizes."""

from __future__ import annotations

import fcntl
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import yaml

from fcn_lightning.runs.estimate import reached
from fcn_lightning.runs.record import CONFIG, NAME, Record, RecordError, read_record

State = Literal["done", "running", "stopped", "broken"]


@dataclass(frozen=True)
class Listed:
    """A run's folder, `<experiment>/<variant>/seed<N>`, wherever it was moved to.

    Attributes:
        folder: The folder.
        record: Its scores; None where it has none, or none that can be read.
    """

    folder: Path
    record: Record | None

    @property
    def experiment(self) -> str:
        """The experiment, by its record or else by its folder."""
        return self.record.experiment if self.record else self.folder.parts[-3]

    @property
    def variant(self) -> str:
        """The variant, by its record or else by its folder."""
        return self.record.variant if self.record else self.folder.parts[-2]

    @property
    def seed(self) -> int:
        """The seed, by its folder."""
        return int(self.folder.name.removeprefix("seed"))

    @cached_property
    def state(self) -> State:
        """`done` with scores, `running` while a process writes it, otherwise `stopped`.

        `broken` if there is a file of scores that cannot be read.
        """
        if self.record:
            return "done"
        if _is_locked(self.folder / "train.log"):
            return "running"
        return "broken" if (self.folder / NAME).exists() else "stopped"

    @property
    def step(self) -> int:
        """The last step that was logged."""
        if self.record:
            return self.record.step
        found = reached(self.folder)
        return found[0] if found else 0

    @property
    def max_steps(self) -> int | None:
        """The steps that it is configured for; None where its configuration cannot be read."""
        steps = self._node("recipe").get("max_steps")
        return steps if isinstance(steps, int) else None

    @property
    def mean_iu(self) -> float | None:
        """The mean IU of the first head, a fraction."""
        return self.record.scores.get("mean_iu") if self.record else None

    @cached_property
    def size(self) -> int:
        """The bytes of all its files."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())

    @cached_property
    def config(self) -> dict[str, Any]:
        """Its configuration as plain values; empty where it cannot be read."""
        if self.record:
            return self.record.config
        try:
            found = yaml.load((self.folder / CONFIG).read_bytes(), yaml.CSafeLoader)
        except Exception:  # a damaged file can raise anything
            return {}
        return found if isinstance(found, dict) else {}

    def _node(self, key: str) -> dict[str, Any]:
        """A node of its configuration; empty where there is something else."""
        node = self.config.get(key)
        return node if isinstance(node, dict) else {}

    @property
    def starts(self) -> list[Path]:
        """The runs and files that it starts from."""
        if self.record:
            return [Path(start.path) for start in self.record.start.values()]
        stage = self._node("stage")
        given = self.config.get("init_from")
        if given == "default" and stage.get("before") not in (None, "classifier"):
            suffix = self.variant.removeprefix(str(stage.get("name")))
            before = [f"{stage['before']}{suffix}", str(stage["before"])]
            return [self.folder.parents[1] / each / self.folder.name for each in before]
        if given == "default":
            given = self.config.get("classifier") if stage.get("before") else None
        return [
            Path(each)
            for each in (given.values() if isinstance(given, dict) else [given])
            if isinstance(each, str) and each
        ]


def list_runs(runs: Path) -> list[Listed]:
    """List every run below a folder, debug runs included, by path.

    Raises:
        ValueError: There is no such folder.
    """
    if not runs.is_dir():
        raise ValueError(f"There is no folder {runs}. Name the folder of runs with --runs DIR.")
    folders = {path.parent for name in ("train.log", NAME) for path in runs.rglob(f"seed*/{name}")}
    return [Listed(each, _record(each)) for each in sorted(folders) if _is_run(each)]


def find_run(folder: Path, all_runs: list[Listed]) -> Listed:
    """Return the run of a folder, by its path or by the end of it: `fcn8s/seed0`.

    Raises:
        ValueError: There is none, or there are several.
    """
    same = [run for run in all_runs if run.folder.resolve() == folder.resolve()]
    ends = [run for run in all_runs if run.folder.parts[-len(folder.parts) :] == folder.parts]
    found = same or ends
    if len(found) == 1:
        return found[0]
    if not found:
        raise ValueError(f"There is no run {folder}. `fcn runs list` names them.")
    several = ", ".join(str(run.folder) for run in found)
    raise ValueError(f"{folder} names several runs: {several}. Name one of them.")


def check_removal(removed: list[Listed], all_runs: list[Listed]) -> None:
    """Refuse to remove runs that a process is writing, or that other runs start from.

    Raises:
        ValueError: The message names the run.
    """
    folders = {run.folder.resolve() for run in removed}
    for run in removed:
        if run.state == "running":
            raise ValueError(f"A process is writing {run.folder}. Stop it first.")
    for run in all_runs:
        if run.folder.resolve() in folders:
            continue
        for start in run.starts:
            if start.resolve() in folders:
                raise ValueError(f"{run.folder} starts from {start}. Remove the later run first.")


def _is_run(folder: Path) -> bool:
    return re.fullmatch(r"seed\d+", folder.name) is not None and len(folder.parts) >= 3


def _record(folder: Path) -> Record | None:
    try:
        return read_record(folder)
    except (RecordError, OSError):
        return None


def _is_locked(path: Path) -> bool:
    """Tell whether a process holds the lock of a run's log."""
    try:
        with path.open("r+") as file:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return True
    except OSError:  # no log, or a file system without locks
        return False
    return False
