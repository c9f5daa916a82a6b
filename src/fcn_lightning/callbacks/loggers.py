"""Where the numbers of a run are logged: a CSV file, and Weights & Biases."""

from __future__ import annotations

import csv
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any

import wandb
from lightning.pytorch.loggers import Logger, WandbLogger
from lightning.pytorch.utilities import rank_zero_only


class MetricsFile(Logger):
    """`metrics.csv`: a row for each time that something is logged, a column for each name."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self._rows: list[dict[str, Any]] = []
        self._columns = ["step"]

    @property
    def name(self) -> str:
        return "metrics"

    @property
    def version(self) -> str:
        return ""

    @property
    def num_rows(self) -> int:
        """The rows that were written."""
        return len(self._rows)

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """They are in config.yaml."""

    @rank_zero_only
    def keep(self, num_rows: int) -> None:
        """Takes over the first rows of a file that is there; what came after them is dropped."""
        if not self.path.is_file():
            return
        with self.path.open(newline="") as file:
            there = csv.DictReader(file)
            filled = ({k: v for k, v in row.items() if v} for row in there)
            self._rows = list(islice(filled, num_rows))
            names = list(there.fieldnames or [])
        self._columns = [name for name in names if any(name in row for row in self._rows)]
        self._rewrite()

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        row = {"step": step, **metrics}
        row.pop("epoch", None)  # Lightning's, for which a run is one
        self._rows.append(row)
        columns = list(dict.fromkeys(chain(self._columns, row)))
        if columns != self._columns or len(self._rows) == 1:
            self._columns = columns
            return self._rewrite()
        with self.path.open("a", newline="") as file:
            csv.DictWriter(file, columns).writerow(row)
        return None

    def _rewrite(self) -> None:
        """Writes the whole file, under a temporary name first."""
        temporary = self.path.with_suffix(".tmp")
        with temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, self._columns)
            writer.writeheader()
            writer.writerows(self._rows)
        temporary.replace(self.path)


def wandb_logger(
    save_dir: str, project: str, name: str, group: str | None, settings: dict[str, Any]
) -> WandbLogger:
    """A W&B run as W&B is set up on this machine; offline where there is no account.

    In a folder that has a W&B run already, it is that run that goes on.
    """
    with _signals_blocked():
        mode = wandb.setup().settings.mode
        if mode == "online" and not wandb.login(prompt=False):
            mode = "offline"
        logger = WandbLogger(
            save_dir=save_dir,
            project=project,
            name=name,
            group=group,
            mode=mode,
            id=run_id(Path(save_dir)),
            resume="allow",
            settings=wandb.Settings(quiet=True),  # the run's own log has its scores
        )
        logger.log_hyperparams(settings)
    return logger


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """Blocks signals for the processes that start meanwhile: W&B's service, which inherits it.

    A signal to all processes of a run must not end the service before the run, which has something
    to tell it yet. It ends with the run by itself.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def run_id(folder: Path) -> str | None:
    """The id of the W&B run whose files are in a run's folder; None where there are none.

    W&B names its folders `run-<time>-<id>` or `offline-run-<time>-<id>`.
    """
    there = sorted(path.name for path in folder.glob("wandb/*run-*-*"))
    return there[-1].rpartition("-")[2] if there else None
