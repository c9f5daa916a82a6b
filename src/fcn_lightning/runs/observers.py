"""The loggers and callbacks of a run."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any

from hydra.utils import instantiate
from lightning import Callback
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import Logger

from fcn_lightning.callbacks import BestCheckpoint, ProgressBar
from fcn_lightning.runs.run import Run
from fcn_lightning.runs.trainer import shows_progress
from fcn_lightning.wandb_account import check_account


def run_loggers(run: Run, group: str | None) -> list[Logger]:
    """Make the loggers that `logger` names, which write into the run's folder.

    Args:
        run: The run.
        group: The W&B group of the sweep that it belongs to.
    """
    given: dict[str, dict[str, Any]] = {name: {"save_dir": str(run.folder)} for name in run.loggers}
    settings = {
        **run.plain_config,
        "experiment": run.experiment,
        "variant": run.variant,
        "network": run.head,
    }
    if "tensorboard" in given:
        given["tensorboard"]["settings"] = settings
    if "wandb" in given:
        node = run.loggers["wandb"]
        stage, data = str(run.config.stage.name), str(run.config.data.name)
        given["wandb"] |= {
            "name": node.name or f"{run.experiment}/{run.name}",
            "group": node.group or group,
            "job_type": stage,
            "settings": settings,
            "tags": [*node.tags, stage, data, f"seed{run.settings.seed}"],
        }
    return [  # partial: Hydra would instantiate the nodes of `settings` too
        instantiate(node, _convert_="all", _partial_=True)(**given[name])
        for name, node in run.loggers.items()
    ]


def sends_model(run: Run) -> bool:
    """Tell whether the checkpoints go to W&B: `logger.wandb.log_model=true`."""
    node = run.loggers.get("wandb")
    return node is not None and bool(node.get("log_model"))


def check_loggers(run: Run) -> None:
    """Refuse a run that is to send its checkpoints to W&B, where W&B is not online.

    Raises:
        ValueError: The message says what is missing.
    """
    if sends_model(run):
        check_account("logger.wandb.log_model=true sends checkpoints", otherwise="Leave it out")


def run_callbacks(run: Run) -> list[Callback]:
    """Make the checkpoints, `last` and `best`, a bar on a terminal, and what `callbacks` names."""
    common: dict[str, Any] = {
        "dirpath": run.folder / "checkpoints",
        "enable_version_counter": False,
    }
    last = ModelCheckpoint(filename="last", **common)
    best = BestCheckpoint(filename="best", monitor="val/mean_iu", mode="max", **common)
    bar = [ProgressBar()] if shows_progress(run.config.trainer) else []
    return [best, last, *bar, *(instantiate(node) for node in run.callbacks.values())]


def finish_wandb() -> None:
    """End the W&B run of this process, so that the next run in it is another one."""
    if wandb := sys.modules.get("wandb"):  # importing it takes a second
        with suppress(ConnectionError):  # its service is gone
            wandb.finish()
