"""The start of a run: the stage before it, a classifier, a checkpoint, or nothing."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from fcn_lightning.runs.compose import plain
from fcn_lightning.runs.record import is_complete


@dataclass(frozen=True)
class Place:
    """Where the variants of one experiment and seed have their folders."""

    runs: Path
    experiment: str
    debug: str | None
    seed: int

    def folder(self, variant: str) -> Path:
        """`runs/<experiment>/<variant>/seed<N>`; below `runs/debug` for a debug run."""
        above = self.runs / "debug" if self.debug else self.runs
        return above / self.experiment / variant / f"seed{self.seed}"


def starting_points(
    config: DictConfig, place: Place, suffix: str, coming: Collection[Path]
) -> dict[str, Path]:
    """Find what a run starts from: the stage before it unless `init_from` says otherwise.

    The stage before is the run with the same overrides if it exists, otherwise the plain run.

    Raises:
        ValueError: The first stage has no classifier.
    """
    if config.init_from != "default":
        return _paths(plain(config.init_from))
    if config.stage.before is None:
        return {}
    if config.stage.before == "classifier":
        if OmegaConf.is_missing(config, "classifier"):
            raise ValueError(
                f"{place.experiment} does not say what its first stage starts from. Name the "
                "weights of a classifier by classifier=FILE, any checkpoint by init_from=PATH, or "
                "start from nothing by init_from=null."
            )
        return _paths(plain(config.classifier))
    same = place.folder(config.stage.before + suffix)
    if same in coming or same.is_dir():
        return {"": same}
    return {"": replace(place, debug=None).folder(config.stage.before)}


def check_start(path: Path, runs: Path) -> None:
    """Refuse a start that does not exist, with the command that makes it.

    Raises:
        ValueError: There is neither a finished run nor a file.
    """
    if is_complete(path) or path.is_file():
        return
    if not path.is_relative_to(runs) or len(path.relative_to(runs).parts) != 3:
        raise ValueError(f"{path} does not exist. Name a run, a checkpoint or a file of weights.")
    experiment, head, seed = path.relative_to(runs).parts
    command = f"fcn-train experiment={experiment} head={head} seed={seed.removeprefix('seed')}"
    if str(runs) != "runs":
        command += f" paths.runs={runs}"
    state = "is not finished" if path.is_dir() else "does not exist"
    raise ValueError(f"{path}, the stage before this one, {state}. Train it first: {command}")


def _paths(given: Any) -> dict[str, Path]:
    if isinstance(given, dict):
        return {name: Path(path) for name, path in given.items()}
    return {"": Path(given)} if given else {}
