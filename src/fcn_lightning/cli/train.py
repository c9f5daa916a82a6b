"""`fcn-train key=value ...`: compose, seed, fit, test, return the scores."""

from __future__ import annotations

import json
import logging
import resource
import sys
import time
from pathlib import Path
from typing import Any

import hydra
import lightning
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from hydra.utils import instantiate
from lightning import Callback, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from fcn_lightning import weights
from fcn_lightning.callbacks import (
    MetricsFile,
    PerImage,
    Progress,
    Stopping,
    WholeCheckpoints,
    end_processes,
    in_words,
)
from fcn_lightning.cli.compose import Job, as_given, conf_dir, job, must_be_there, network
from fcn_lightning.cli.errors import InputError, reported
from fcn_lightning.cli.folder import (
    by_class,
    card,
    commit,
    is_complete,
    opened,
    or_none,
    refuse_existing,
    versions,
    write_json,
)
from fcn_lightning.cli.plan import plan, split
from fcn_lightning.cli.processes import brief, end_with_parent, is_lost_connection
from fcn_lightning.cli.slurm import declared_needs
from fcn_lightning.cli.trainer import TRAINER, configure_torch, needs
from fcn_lightning.data.splits import Splits, describe
from fcn_lightning.datamodule import SegmentationData
from fcn_lightning.models.surgery import transplant, with_suffix
from fcn_lightning.task import SegmentationTask

log = logging.getLogger("fcn_lightning")


def train(run: Job, group: str | None = None) -> dict[str, Any]:
    """Does one run, from its config to its folder, and returns what stands in scores.json.

    Args:
        run: The run.
        group: The W&B group of the sweep that it belongs to.

    Raises:
        ValueError: The input does not fit. What can be checked is checked before the folder is
            made.
    """
    start, made_by = time.monotonic(), commit()
    configure_torch()
    refuse_existing(run)
    done = run.folder / "scores.json"
    if run.settings.resume and is_complete(run.folder):
        sys.stderr.write(f"{run.folder} is complete\n")
        record: dict[str, Any] = json.loads(done.read_text())
        return record
    for place in run.init_from.values():
        must_be_there(place, run.config)
    lightning.seed_everything(run.settings.seed, verbose=False)
    splits: Splits = instantiate(run.config.data, _convert_="all")
    if not len(splits.train):
        raise InputError(f"There must be images to train on; {describe(splits.lists)}.")
    processes = needs(run.config).num_processes
    if len(splits.val) < processes:
        raise InputError(
            f"There must be at least one image to score for each process; {splits.val_split} has "
            f"{len(splits.val)}, for {processes} processes. Use fewer of them by trainer.devices."
        )
    net = network(run.config, len(splits.labels))
    started = None
    if run.init_from:
        source: dict[str, Tensor] = {}
        for modality, place in run.init_from.items():
            source |= with_suffix(weights.read_weights(place, net), modality)
        started = transplant(net, source)
    _, accumulate = run.recipe.passes(processes)
    task = SegmentationTask(
        net,
        splits.labels,
        run.recipe,
        average_over=splits.average_over,
        seed=run.settings.seed,
        card=card(run),
    )

    with opened(run):
        log.info("%s/%s, seed %d", run.settings.name, run.variant, run.settings.seed)
        log.info("in %s, %s", run.folder, describe(splits.lists))
        places = ", ".join(map(str, run.init_from.values())) or "nothing"
        log.info("starts from %s%s", places, f": {started}" if started else "")
        trainer, progress = fit_and_test(run, task, splits, accumulate, group)
        values, scores = task.results["test"]
        record = {
            "format": 1,
            "experiment": run.settings.name,
            "variant": run.variant,
            "seed": run.settings.seed,
            "data": splits.name,
            "split": splits.val_split,
            "num_images": len(splits.val),
            "checkpoint": "last",
            "step": trainer.global_step,
            "scores": {name: or_none(value) for name, value in values.items()},
            "class_iu": by_class(splits.labels.classes, scores.class_iu.tolist()),
            "average_over": list(splits.average_over),
            "best_val": progress.best,
            "lists": splits.lists,
            "init_from": as_given(run.init_from),
            "precision": str(run.config.trainer.precision),
            "num_processes": trainer.world_size,
            "seconds": round(time.monotonic() - start, 1),
            "commit": made_by,
            "versions": versions(),
        }
        if trainer.is_global_zero:
            write_json(run.folder / "scores.json", record)
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
            found = in_words(values)
            log.info(
                "%s on %s: %s (%.0f s, at most %.1f GiB)",
                run.variant, splits.val_split, found, record["seconds"], memory,
            )  # fmt: skip
    return record


def fit_and_test(
    run: Job, task: SegmentationTask, splits: Splits, accumulate: int, group: str | None
) -> tuple[Trainer, Progress]:
    """Trains, from the last checkpoint where the run goes on, and scores what came out."""
    data = SegmentationData(
        splits,
        run.recipe,
        run.augment,
        seed=run.settings.seed,
        num_workers=run.settings.num_workers,
    )
    progress, metrics = Progress(), MetricsFile(run.folder / "metrics.csv")
    last = run.folder / "checkpoints" / "last.ckpt"
    stopping = Stopping(last, metrics)
    trainer: Trainer = instantiate(
        run.config.trainer,
        default_root_dir=str(run.folder),
        logger=[metrics, *extra_loggers(run, group)],
        callbacks=[progress, stopping, *run_callbacks(run)],
        plugins=[WholeCheckpoints()],
        max_steps=run.recipe.max_steps,
        accumulate_grad_batches=accumulate,
        gradient_clip_val=run.recipe.clip,
        val_check_interval=min(run.recipe.val_every, run.recipe.max_steps) * accumulate,
        log_every_n_steps=max(1, min(50, run.recipe.max_steps // 20)),
        **TRAINER,
    )
    resumed = str(last) if run.settings.resume and last.is_file() else None
    try:
        with stopping.listening():
            trainer.fit(task, data, ckpt_path=resumed, weights_only=True)
            trainer.test(task, data, verbose=False)
            end_processes(trainer, patience=60.0)
    except RuntimeError as error:
        if not is_lost_connection(error):
            raise
        log.error("Another process of this run is gone (%s); this one ends too.", brief(error))
        raise SystemExit(1) from None
    finally:
        end_processes(trainer)
    return trainer, progress


def extra_loggers(run: Job, group: str | None) -> list[Logger]:
    """What `logger` names, beside metrics.csv."""
    node = run.config.logger
    if not node:
        return []
    extra: dict[str, Any] = {"save_dir": str(run.folder)}
    if "group" in node:
        extra |= {
            "name": f"{run.settings.name}/{run.variant}/seed{run.settings.seed}",
            "group": node.group or group,
            "settings": OmegaConf.to_container(run.config, resolve=True),
        }
    return [instantiate(node, _partial_=True, _convert_="all")(**extra)]


def run_callbacks(run: Job) -> list[Callback]:
    """Checkpoints, scores of each image, and those that the config names."""
    common: dict[str, Any] = {
        "dirpath": run.folder / "checkpoints",
        "enable_version_counter": False,
    }
    last = ModelCheckpoint(filename="last", **common)
    best = ModelCheckpoint(filename="best", monitor="val/mean_iu", mode="max", **common)
    named = [instantiate(node) for node in run.config.callbacks.values()]
    bar = [RichProgressBar()] if TRAINER["enable_progress_bar"] else []
    return [best, last, PerImage(run.folder), *named, *bar]


def check(overrides: list[str], *, sweep: bool) -> None:
    """Checks all jobs of a command, but those of a search, which are not known yet.

    Raises:
        InputError: A job does not fit, or starts from another one under a launcher that knows of
            no stages.
    """
    launcher = next((o for o in overrides if o.startswith("hydra/launcher=")), "").partition("=")[2]
    if not sweep:
        plan([overrides])
    elif not any(o.startswith("hydra/sweeper=") for o in overrides):
        jobs = plan(split(overrides), declared_needs if launcher == "slurm" else needs)
        if launcher not in ("", "local", "slurm") and any(job.after for job in jobs):
            raise InputError(
                "A sweep in which a stage starts from another must run by hydra/launcher=local or "
                f"slurm, which know of stages; this one runs by {launcher}."
            )


@hydra.main(config_path=str(conf_dir()), config_name="train", version_base="1.3")
def _main(config: DictConfig) -> float:
    hydra_config = HydraConfig.get()
    sweep = hydra_config.mode == RunMode.MULTIRUN
    with reported(config.debug):
        run = job(list(hydra_config.overrides.task))
        if sweep and needs(run.config).num_processes > 1:
            raise InputError(
                "A sweep of jobs of several processes must run by hydra/launcher=local or slurm, "
                "which give each job a command line of its own; this one runs by "
                f"{hydra_config.runtime.choices['hydra/launcher']}."
            )
        record = train(run, group=Path(hydra_config.sweep.dir).name if sweep else None)
    mean_iu: float = record["scores"]["mean_iu"]
    return mean_iu


def main() -> None:
    """The command: everything is checked before Hydra starts the first job."""
    end_with_parent()
    arguments = get_args_parser().parse_args()
    asks = arguments.help or arguments.hydra_help or arguments.cfg or arguments.info
    if not asks:
        with reported(debug="debug=true" in arguments.overrides):
            check(arguments.overrides, sweep=arguments.multirun)
    _main()


if __name__ == "__main__":
    main()
