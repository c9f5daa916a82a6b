"""Loggers of a run: a CSV file, Weights & Biases, and TensorBoard."""

from __future__ import annotations

import csv
import logging
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any

import yaml
from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger
from lightning.pytorch.utilities import rank_zero_only

from fcn_lightning.files import replacing
from fcn_lightning.wandb_account import one_line

log = logging.getLogger("fcn_lightning")


class MetricsFile(Logger):
    """Writes `metrics.csv`: one row per call, one column per name."""

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
        """The number of rows in the file."""
        return len(self._rows)

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Do nothing: config.yaml has them."""

    @rank_zero_only
    def keep(self, num_rows: int) -> None:
        """Keep the first rows of an existing file and drop the others."""
        if not self.path.is_file():
            return
        with self.path.open(newline="") as file:
            reader = csv.DictReader(file)
            filled = ({k: v for k, v in row.items() if v} for row in reader)
            self._rows = list(islice(filled, num_rows))
            names = list(reader.fieldnames or [])
        self._columns = [name for name in names if any(name in row for row in self._rows)]
        self._rewrite()

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        row = {"step": step if step is None else int(step), **metrics}
        row.pop("epoch", None)  # a run is one epoch to Lightning
        self._rows.append(row)
        columns = list(dict.fromkeys(chain(self._columns, row)))
        if columns != self._columns or len(self._rows) == 1:
            self._columns = columns
            return self._rewrite()
        with self.path.open("a", newline="") as file:
            csv.DictWriter(file, columns).writerow(row)
        return None

    def _rewrite(self) -> None:
        """Write the whole file."""
        with replacing(self.path) as temporary, temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, self._columns)
            writer.writeheader()
            writer.writerows(self._rows)


def wandb_logger(
    save_dir: str,
    project: str | None,
    name: str,
    group: str | None,
    settings: dict[str, Any],
    tags: Sequence[str] = (),
    log_model: bool = False,
    **arguments: Any,
) -> WandbLogger:
    """Create a W&B run with this machine's W&B settings; offline without an account or network.

    If the folder has a W&B run already, that run is resumed.

    Args:
        save_dir: The run's folder.
        project: The project; None for `WANDB_PROJECT`, or else `fcn_lightning`.
        name: The name of the run, unless `WANDB_NAME` is set.
        group: The group, such as a sweep.
        settings: The configuration that W&B shows.
        tags: Tags of the run.
        log_model: See `WandbResults`, which sends the checkpoints.
        **arguments: Those of `WandbLogger`.
    """
    import wandb  # takes a second, and only runs that log to it need it

    common: dict[str, Any] = {
        "save_dir": save_dir,
        "project": project or os.environ.get("WANDB_PROJECT") or "fcn_lightning",
        "name": os.environ.get("WANDB_NAME") or name,
        "group": group,
        "tags": list(tags) or None,
        "id": run_id(Path(save_dir)),
        "resume": "allow",
        "settings": wandb.Settings(quiet=True),  # train.log has the scores
        **arguments,
    }
    with _signals_blocked():
        try:
            mode = wandb.setup().settings.mode
            if mode == "online" and not wandb.login(prompt=False):
                mode = "offline"
            logger = WandbLogger(**common, mode=mode)
            logger.log_hyperparams(settings)  # connects
        except wandb.errors.Error as error:
            log.warning("W&B is offline, since it cannot be reached: %s", one_line(error))
            logger = WandbLogger(**common, mode="offline")
            logger.log_hyperparams(settings)
    return logger


def tensorboard_logger(save_dir: str, settings: dict[str, Any], **arguments: Any) -> Logger:
    """Make a TensorBoard logger, and log the configuration as text.

    Args:
        save_dir: The run's folder.
        settings: The configuration.
        **arguments: Those of `TensorBoardLogger`.
    """
    logger = TensorBoardLogger(save_dir, **arguments)
    text = yaml.safe_dump(settings, sort_keys=False)
    logger.experiment.add_text("config", f"```yaml\n{text}```")  # on other processes: nothing
    return logger


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """Blocks signals for processes that start inside the block: W&B's service.

    A signal to all processes of a run must not end the service, to which the run sends its last
    values. The service ends with the run.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def run_id(folder: Path) -> str | None:
    """The id of the W&B run whose files are in a run's folder; None without one.

    W&B writes `run-<id>.wandb` into `run-<time>-<id>` or `offline-run-<time>-<id>`, and into
    `...-<id>-1` for a second part in the same second.
    """
    files = sorted(folder.glob("wandb/*run-*-*/run-*.wandb"))
    return files[-1].stem.removeprefix("run-") if files else None
