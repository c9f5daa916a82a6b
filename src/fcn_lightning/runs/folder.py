"""A run's folder: whether a run may write it, its lock, its config and its log."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from omegaconf import OmegaConf

from fcn_lightning.formats import find, read_checkpoint
from fcn_lightning.formats.timm_weights import HUB
from fcn_lightning.formats.torch_file import load
from fcn_lightning.runs.identity import differences, in_words
from fcn_lightning.runs.record import CONFIG, is_complete
from fcn_lightning.runs.record import NAME as RECORD
from fcn_lightning.runs.run import Run
from fcn_lightning.runs.start import check_start
from fcn_lightning.text_files import read_yaml

log = logging.getLogger("fcn_lightning")
LOGS = (log, logging.getLogger("lightning.pytorch.profilers"))
"""The logs that go to `train.log`: the run's own lines, and the report of a profiler."""


def check_run(run: Run, coming: tuple[Path, ...] = (), *, may_start: bool = False) -> None:
    """Refuse a run that cannot start, before anything is written.

    Args:
        run: The run.
        coming: Folders of runs that will be finished before it starts.
        may_start: Let `resume=true` start a run that has no folder yet, as in a sweep.

    Raises:
        ValueError: Its folder is taken or cannot be written, what it resumes is missing or was
            configured otherwise, or what it starts from is missing.
    """
    resume, overwrite = run.settings.resume, run.settings.overwrite
    if resume and overwrite:
        raise ValueError("A run is either resumed or replaced; got resume=true and overwrite=true.")
    exists = run.folder.is_dir() and any(run.folder.iterdir())
    if exists and not (resume or overwrite):
        raise ValueError(
            f"{run.folder} already exists. Resume it with resume=true or replace it with "
            "overwrite=true."
        )
    if resume is True and not exists and not may_start:
        raise ValueError(f"Nothing to resume: {run.folder} does not exist. Leave out resume=true.")
    if resume and exists:
        _check_same(run)
        _check_last(run.folder)
    _check_writable(run.folder)
    if resume and is_complete(run.folder):
        return
    if run.settings.ckpt_path and not (run.folder / "checkpoints" / "last.ckpt").is_file():
        _check_continued(find(Path(run.settings.ckpt_path)))
    for path in run.start.values():
        from_hub = path == HUB and run.config.backbone.get("name") == "timm"
        if path not in coming and not from_hub:
            check_start(path, Path(run.config.paths.runs))


def invalidate(run: Run) -> None:
    """Remove the scores of a run that will be replaced, before it waits for its turn."""
    if run.settings.overwrite:
        (run.folder / RECORD).unlink(missing_ok=True)


@contextmanager
def opened(run: Run, *, is_writer: bool) -> Iterator[None]:
    """Make and lock the run's folder and write its config; log lines go to `train.log` meanwhile.

    Args:
        run: The run.
        is_writer: False for the processes of a run that write nothing.

    Raises:
        ValueError: Another process is writing the folder.
    """
    handlers: list[logging.Handler] = []
    if is_writer:
        run.folder.mkdir(parents=True, exist_ok=True)
        file = locked(run.folder / "train.log")
        if run.settings.overwrite:
            _empty(run.folder, file)
        OmegaConf.save(run.config, run.folder / CONFIG, resolve=True)
        handlers = [logging.StreamHandler(), logging.StreamHandler(file)]
    for handler in handlers:
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    for each in LOGS:
        each.handlers[:] = handlers
        each.setLevel(logging.INFO)
        each.propagate = False
    try:
        yield
    finally:
        for each in LOGS:
            each.handlers.clear()
        if handlers:
            with suppress(OSError):  # a full disk, which was reported already
                file.close()


def locked(path: Path) -> TextIO:
    """Open a file for appending, for one process alone.

    On a file system without locks a warning is logged, and the file is opened all the same.

    Raises:
        ValueError: Another process holds the lock.
    """
    file = path.open("a")
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # not inherited by loader workers
    except (BlockingIOError, PermissionError):
        file.close()
        raise ValueError(
            f"Another process is writing {path.parent}. Wait until it ends, or stop it."
        ) from None
    except OSError:
        log.warning("%s cannot be locked: make sure that one process alone writes it", path.parent)
    return file


def _check_same(run: Run) -> None:
    """Refuse to resume a run that was configured otherwise."""
    path = run.folder / CONFIG
    if not path.is_file():
        return
    try:
        before: Any = read_yaml(path) or {}
    except ValueError as error:
        raise ValueError(f"{error} Replace the run with overwrite=true.") from error
    if not isinstance(before, dict):
        raise ValueError(f"{path} is no configuration. Replace the run with overwrite=true.")
    found = differences(run.plain_config, before)
    if not found:
        return
    longer = (
        f" To train it longer, start a new run with ckpt_path={run.folder} and a larger "
        "recipe.max_steps."
        if "recipe.max_steps" in found
        else ""
    )
    raise ValueError(
        f"{run.folder} was started with another configuration: {in_words(found)}. Resume it with "
        f"its own, or replace it with overwrite=true.{longer}"
    )


def _check_last(folder: Path) -> None:
    """Refuse to resume from a checkpoint that cannot be read."""
    last, best = (folder / "checkpoints" / f"{name}.ckpt" for name in ("last", "best"))
    if is_complete(folder) or not last.is_file() or _is_readable(last):
        return
    again = f" Continue from the best one (cp {best} {last})," if _is_readable(best) else ""
    raise ValueError(
        f"{last} is damaged: it is empty, truncated or no checkpoint.{again} "
        f"{'or replace' if again else 'Replace'} the run with overwrite=true."
    )


def _check_continued(path: Path) -> None:
    """Refuse to continue from a checkpoint without the state of an optimizer."""
    read_checkpoint(path, mmap=True)
    if (
        not {"optimizer_states", "loops", "pytorch-lightning_version"}
        <= load(path, mmap=True).keys()
    ):
        raise ValueError(
            f"{path} has no state of an optimizer to continue with. Start from its weights alone "
            f"with init_from={path}."
        )


def _is_readable(path: Path) -> bool:
    try:
        read_checkpoint(path, mmap=True)
    except (OSError, ValueError):
        return False
    return True


def _check_writable(folder: Path) -> None:
    """Refuse a folder that cannot be made."""
    above = next(path for path in folder.absolute().parents if path.exists())
    if not above.is_dir() or not os.access(above, os.W_OK):
        raise ValueError(f"{above} is not a writable folder. Choose another with paths.runs=DIR.")


def _empty(folder: Path, log_file: TextIO) -> None:
    """Remove all that is in a run's folder, its scores first; the log is emptied."""
    (folder / RECORD).unlink(missing_ok=True)
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != "train.log":
            path.unlink()
    log_file.truncate(0)
