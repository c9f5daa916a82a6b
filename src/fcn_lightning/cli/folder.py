"""A run's folder: whether it may be made, what is in it from the start, what describes the run."""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, TextIO

import wandb
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import OmegaConf

from fcn_lightning.cli.compose import Job, conf_dir, plain
from fcn_lightning.cli.errors import InputError
from fcn_lightning.cli.processes import locked

log = logging.getLogger("fcn_lightning")


@rank_zero_only
def refuse_existing(run: Job) -> None:
    """Raises an InputError where the run is there already, unless it may go on or be replaced."""
    if run.settings.resume and run.settings.overwrite:
        raise InputError("A run must either go on or be made again; got resume and overwrite.")
    there = run.folder.is_dir() and any(run.folder.iterdir())
    if there and not (run.settings.resume or run.settings.overwrite):
        raise InputError(
            f"{run.folder} must not be there yet; it is. Go on with it by resume=true, or make it "
            "again by overwrite=true."
        )


def is_complete(folder: Path) -> bool:
    """Whether a run has ended, with its scores."""
    return (folder / "scores.json").is_file()


def invalidate(run: Job) -> None:
    """Makes a run that will be made again incomplete, before it waits for its turn."""
    if run.settings.overwrite:
        (run.folder / "scores.json").unlink(missing_ok=True)


def must_be_writable(folder: Path) -> None:
    """Raises an InputError where a folder cannot be made."""
    there = next(path for path in folder.absolute().parents if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise InputError(
            f"{there} must be a folder that can be written to; it is not. Name another by "
            "paths.runs."
        )


@contextmanager
def opened(run: Job) -> Iterator[None]:
    """Makes the run's folder, with its config; what is logged meanwhile goes into train.log too.

    Raises:
        InputError: Another process is at work in it.
    """
    handlers: list[logging.Handler] = []
    if getattr(rank_zero_only, "rank", 0) == 0:
        run.folder.mkdir(parents=True, exist_ok=True)
        file = locked(run.folder / "train.log")
        if run.settings.overwrite:
            _empty(run.folder, file)
        OmegaConf.save(run.config, run.folder / "config.yaml", resolve=True)
        handlers = [logging.StreamHandler(), logging.StreamHandler(file)]
    for handler in handlers:
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
        log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        yield
    finally:
        with suppress(ConnectionError):  # W&B's service is gone
            wandb.finish()  # the next run of a table, in the same process, is a run of its own
        for handler in handlers:
            log.removeHandler(handler)
        if handlers:
            with suppress(OSError):  # a full disk, which was told already
                file.close()


def _empty(folder: Path, log_file: TextIO) -> None:
    """Removes what is in a run's folder, its scores first, but for its log, whose lines go."""
    (folder / "scores.json").unlink(missing_ok=True)
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != "train.log":
            path.unlink()
    log_file.truncate(0)


def card(run: Job) -> dict[str, Any]:
    """From what evaluation composes anew: the data config's name and arguments, loss, precision."""
    data = {key: value for key, value in plain(run.config.data).items() if key != "_target_"}
    for key in ("root", "voc_root", "sbd_root"):
        if data.get(key):
            data[key] = str(Path(data[key]).resolve())
    return {
        "data": {"name": data.pop("name"), "arguments": data},
        "loss": run.recipe.loss,
        "precision": str(run.config.trainer.precision),
    }


def by_class(names: Sequence[str], values: Sequence[float]) -> dict[str, float | None]:
    """Values by names of classes; None where there is none."""
    return {name: or_none(value) for name, value in zip(names, values)}


def or_none(value: float) -> float | None:
    """The value, or None where it is NaN or infinite, which JSON has no word for."""
    return value if math.isfinite(value) else None


def commit() -> str | None:
    """The checkout's commit, with `+` where files differ from it; None outside of a checkout."""
    checkout = conf_dir().parent
    if not (checkout / ".git").exists() or shutil.which("git") is None:
        return None
    command = ["git", "-C", str(checkout), "describe", "--always", "--abbrev=40", "--dirty=+"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def write_json(path: Path, content: Any) -> None:
    """Writes to a temporary name first, so that the file is whole or not there."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")
    temporary.replace(path)


def versions() -> dict[str, str]:
    """What the scores were computed with."""
    names = ("fcn-lightning", "torch", "torchvision", "lightning", "hydra-core", "torchmetrics")
    return {name: version(name) for name in names}
