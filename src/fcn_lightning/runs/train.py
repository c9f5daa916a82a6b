"""Training: from a checked run to its folder and record."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import lightning
from hydra.utils import instantiate
from lightning import Trainer
from torch import Tensor

from fcn_lightning import formats
from fcn_lightning.callbacks import (
    MemoryFormat,
    MetricsFile,
    PerImage,
    Progress,
    Speed,
    Stopping,
    WandbResults,
    WholeCheckpoints,
    end_processes,
    in_words,
)
from fcn_lightning.data.loss_sampling import LossSampling
from fcn_lightning.data.mask import check_background
from fcn_lightning.data.splits import Splits, describe
from fcn_lightning.data.suspicions import before_a_run
from fcn_lightning.datamodule import SegmentationData
from fcn_lightning.formats.checkpoint import Checkpoint
from fcn_lightning.labels import LabelSets, num_classes
from fcn_lightning.models import Classifier, Network, transplant
from fcn_lightning.models.normalize import colors_of
from fcn_lightning.models.summary import summarize
from fcn_lightning.models.surgery import Transplant, with_suffix
from fcn_lightning.optim import describe_groups
from fcn_lightning.runs.class_weights import class_weights
from fcn_lightning.runs.class_weights import describe as describe_weights
from fcn_lightning.runs.data import data_card, read_data
from fcn_lightning.runs.environment import commit, versions
from fcn_lightning.runs.folder import opened
from fcn_lightning.runs.machine import check_temporary_folder, device_name, peak_memory
from fcn_lightning.runs.memory_format import memory_format
from fcn_lightning.runs.observers import (
    check_loggers,
    finish_wandb,
    run_callbacks,
    run_loggers,
    sends_model,
)
from fcn_lightning.runs.processes import is_first_process, lost_connections_reported
from fcn_lightning.runs.record import Record, Start, is_complete, read_record, without_nan
from fcn_lightning.runs.run import Run
from fcn_lightning.runs.trainer import configure_torch, trainer_arguments
from fcn_lightning.task import SegmentationTask

log = logging.getLogger("fcn_lightning")


def train(run: Run, group: str | None = None) -> Record:
    """Train and score one run, and return its record; a finished run that is resumed is left alone.

    Args:
        run: The run, checked by `check_run`.
        group: The W&B group of the sweep that it belongs to.

    Raises:
        ValueError: The data, the weights or a value does not fit. Nothing has been written then.
    """
    began, made_by = time.monotonic(), commit()
    if run.settings.resume and is_complete(run.folder):
        sys.stderr.write(f"{run.folder} is complete\n")
        return read_record(run.folder)
    configure_torch(run.settings.matmul_precision)
    lightning.seed_everything(run.settings.seed, verbose=False)
    check_loggers(run)
    check_temporary_folder(run.settings.num_workers)
    splits = splits_of(run)
    network = run.network(num_classes(splits.labels))
    transplanted, notes = start_weights(run, network)
    weights = class_weights(run.recipe.class_weights, splits.train)
    task = SegmentationTask(
        network,
        splits.labels,
        run.recipe,
        average_over=splits.average_over,
        seed=run.settings.seed,
        card=card(run, splits.labels),
        class_weights=weights,
    )
    with opened(run, is_writer=is_first_process()):
        introduce(run, network, splits, transplanted, notes)
        if is_first_process():
            for sentence in (*splits.remarks, *before_a_run(splits.train, splits.val)):
                log.warning("%s", sentence)
        if weights:
            log.info("class weights: %s", describe_weights(weights, splits.labels))
        try:
            trainer, progress, per_image = fit_and_test(run, task, splits, group)
        finally:
            finish_wandb()
        record = record_of(run, splits, task, trainer, progress, per_image)
        record.seconds = round(progress.earlier + time.monotonic() - began, 1)
        record.commit = made_by
        record.peak_memory, record.peak_gpu_memory = peak_memory(trainer)
        if trainer.is_global_zero:
            record.write(run.folder)
            tell(run, record)
    return record


def record_of(
    run: Run,
    splits: Splits,
    task: SegmentationTask,
    trainer: Trainer,
    progress: Progress,
    per_image: PerImage,
) -> Record:
    """Record what was scored, on what, and from which configuration."""
    results = task.results["test"]
    return Record(
        experiment=run.experiment,
        variant=run.variant,
        head=run.head,
        seed=run.settings.seed,
        debug=run.debug,
        tags=run.settings.tags,
        data=splits.name,
        split=splits.val_split,
        split_size=len(splits.val),
        num_images=per_image.num_images,
        checkpoint="last",
        step=trainer.global_step,
        scores=without_nan(results.scores),
        class_iu=without_nan(results.class_iu),
        average_over=list(splits.average_over),
        best_val=progress.best,
        lists=splits.lists,
        start={name: _start(path) for name, path in run.start.items()},
        precision=run.precision,
        num_processes=trainer.world_size,
        device=device_name(trainer),
        memory_format=task.card["memory_format"],
        versions=versions(),
        config=run.plain_config,
    )


def tell(run: Run, record: Record) -> None:
    """Log the scores, the time and the memory of a finished run."""
    memory = (record.peak_memory or 0) / 2**30
    values = {name: value for name, value in record.scores.items() if value is not None}
    log.info(
        "%s on %s: %s (%.0f s, at most %.1f GiB)%s",
        run.variant, record.split, in_words(values), record.seconds, memory,
        f"; debug={run.debug}: not a result" if run.debug else "",
    )  # fmt: skip


def splits_of(run: Run) -> Splits:
    """Read the run's data set.

    Raises:
        ValueError: There is nothing to train on, less to score than there are processes, or a mask
            but no background.
    """
    splits = read_data(run.config.data, run.settings.normalize)
    if run.mask.train or run.mask.test:
        check_background(splits.labels)
    if not len(splits.train):
        raise ValueError(f"No images to train on: {describe(splits.lists)}.")
    if len(splits.val) < run.needs.num_processes:
        raise ValueError(
            f"{splits.val_split} has {len(splits.val)} images to score, fewer than the "
            f"{run.needs.num_processes} processes. Use fewer processes with trainer.devices."
        )
    return splits


def start_weights(run: Run, network: Network) -> tuple[Transplant | None, list[str]]:
    """Copy the weights that the run starts from into the network.

    Returns:
        What was copied, None if the run starts anew, and notes on how files were read.
    """
    source: dict[str, Tensor] = {}
    notes = []
    for modality, path in run.start.items():
        weights = formats.read_weights(path, network)
        source |= with_suffix(weights, modality) if modality else weights
        notes += [weights.note] if weights.note else []
    return (transplant(network, source) if run.start else None), notes


def introduce(
    run: Run,
    network: Network,
    splits: Splits,
    transplanted: Transplant | None,
    notes: Sequence[str] = (),
) -> None:
    """Log what is about to be trained, and keep the network's summary as `network.txt`."""
    log.info("%s/%s, seed %d", run.experiment, run.variant, run.settings.seed)
    if run.debug:
        log.info("debug=%s: its scores are not a result, and no table reads them", run.debug)
    log.info("in %s, %s", run.folder, describe(splits.lists))
    start = ", ".join(map(str, run.start.values())) or "nothing"
    log.info("starts from %s%s", start, f": {transplanted}" if transplanted else "")
    for note in notes:
        log.info(note)
    summary = f"{summarize(network)}\n\n{describe_groups(network, run.recipe)}\n"
    log.info("network:\n%s", summary)
    if is_first_process():
        (run.folder / "network.txt").write_text(summary)


def fit_and_test(
    run: Run, task: SegmentationTask, splits: Splits, group: str | None
) -> tuple[Trainer, Progress, PerImage]:
    """Train, from the last checkpoint where the run is resumed, and score the result."""
    data = SegmentationData(
        splits,
        run.recipe,
        run.augment,
        seed=run.settings.seed,
        num_workers=run.settings.num_workers,
        val_batch=run.settings.val_batch,
        overfit_batches=run.config.trainer.overfit_batches,
        sampling=loss_sampling(run, task.network),
        mask=run.mask,
        colors=colors_of(run.settings.normalize),
    )
    last = run.folder / "checkpoints" / "last.ckpt"
    resumed, metrics = continued(run, last), MetricsFile(run.folder / "metrics.csv")
    arrange = MemoryFormat(partial(memory_format, run, task.network, splits.train, resumed))
    progress, speed = Progress(), Speed(run.recipe.batch)
    stopping, per_image = Stopping(last, metrics), PerImage(run.folder)
    results = WandbResults(run.folder, progress, speed, sends_model(run))
    trainer: Trainer = instantiate(
        run.config.trainer,
        default_root_dir=str(run.folder),
        logger=[metrics, *run_loggers(run, group)],
        callbacks=[arrange, progress, speed, stopping, per_image, results, *run_callbacks(run)],
        plugins=[WholeCheckpoints()],
        **trainer_arguments(run.config.trainer, run.recipe, run.needs),
    )
    try:
        with stopping.listening(), lost_connections_reported():
            trainer.fit(task, data, ckpt_path=resumed, weights_only=True)
            trainer.test(task, data, verbose=False)
            end_processes(trainer, patience=60.0)
    finally:
        end_processes(trainer)
    return trainer, progress, per_image


def loss_sampling(run: Run, network: Network) -> LossSampling | None:
    """Return how pixels are sampled for the loss, in cells of the network's coarsest map."""
    if run.recipe.loss_sampling is None:
        return None
    assert not isinstance(network, Classifier), "A run of a classifier samples no pixels."
    return LossSampling(run.recipe.loss_sampling, network.coarsest_stride)


def continued(run: Run, last: Path) -> Path | None:
    """Return the checkpoint whose whole state, optimizer and step included, the run continues."""
    if run.settings.resume and last.is_file():
        return last
    return formats.find(Path(run.settings.ckpt_path)) if run.settings.ckpt_path else None


def card(run: Run, labels: LabelSets) -> dict[str, Any]:
    """Describe in plain values what prediction and evaluation need.

    These are the classes of each head, the data set, the loss, the precision, the batch, and the
    mask.
    """
    masked = {"mask": run.mask.test} if run.mask.test else {}
    return {
        **masked,
        "labels": Checkpoint.card_of_labels(labels),
        "data": data_card(run.config.data),
        "loss": run.recipe.reduction,
        "precision": str(run.config.trainer.precision),
        "matmul_precision": run.settings.matmul_precision,
        "val_batch": run.settings.val_batch,
    }


def _start(path: Path) -> Start:
    """Record a start, with the configuration of the run that made it."""
    made_by_run = path.is_dir() and is_complete(path)
    return Start(path=str(path), config=read_record(path).config if made_by_run else None)
