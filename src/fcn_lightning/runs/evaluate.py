"""Scoring a checkpoint again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast

from hydra.utils import instantiate
from lightning import Trainer

from fcn_lightning import formats
from fcn_lightning.data import Augment, Mask, Splits
from fcn_lightning.datamodule import SegmentationData
from fcn_lightning.formats.card import data_of, scoring_of
from fcn_lightning.models.normalize import colors_of
from fcn_lightning.runs.compose import compose
from fcn_lightning.runs.data import check_classes, data_config, read_data
from fcn_lightning.runs.machine import check_temporary_folder
from fcn_lightning.runs.own_backbones import register_all
from fcn_lightning.runs.record import without_nan
from fcn_lightning.runs.trainer import configure_torch
from fcn_lightning.task import SegmentationTask

NUM_WORKERS = 2
"""Processes that read images."""


def evaluate(
    place: Path,
    data: str | None,
    root: Path | None,
    config_dir: Path | None = None,
    split: Literal["val", "test"] = "val",
) -> dict[str, Any]:
    """Score the last checkpoint of a run, or a checkpoint file, on images masked as in its run.

    Args:
        place: A run's folder or a checkpoint file.
        data: The name of a data config; None for the data that it was trained with.
        root: Where the data is; None for where it was.
        config_dir: A folder of configs that is searched first.
        split: The images to score: those that runs score, or test images.

    Raises:
        ValueError: The checkpoint cannot be scored, its classes are not those of the data, or
            there are no test images.
    """
    register_all(config_dir)
    checkpoint = formats.read_checkpoint(place)
    network = checkpoint.card["network"]
    scoring = scoring_of(checkpoint.path, checkpoint.card)
    configure_torch(scoring.matmul_precision)
    check_temporary_folder(NUM_WORKERS)
    splits = scored_data(checkpoint.path, checkpoint.card, data, root, config_dir)
    splits = splits.with_test() if split == "test" else splits
    check_classes(splits, network["num_classes"], checkpoint.path)
    config = compose([f"recipe.loss={scoring.loss}", "trainer=auto"])
    recipe = instantiate(config.recipe, _convert_="all")
    task = SegmentationTask(
        checkpoint.network(),
        splits.labels,
        recipe,
        average_over=splits.average_over,
        memory_format=checkpoint.memory_format,
    )
    trainer = Trainer(
        accelerator="auto",
        devices=1,
        precision=cast(Any, scoring.precision),
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        use_distributed_sampler=False,
    )
    module = SegmentationData(
        splits,
        recipe,
        Augment(),
        seed=0,
        num_workers=NUM_WORKERS,
        val_batch=scoring.val_batch,
        mask=Mask(test=checkpoint.card.get("mask")),
        colors=colors_of(network["normalize"]),
    )
    trainer.test(task, module, verbose=False)
    results = task.results["test"]
    return {
        "checkpoint": str(checkpoint.path),
        "step": checkpoint.step,
        "data": splits.name,
        "split": splits.val_split,
        "num_images": len(splits.val),
        "scores": without_nan(results.scores),
        "class_iu": without_nan(results.class_iu),
        "average_over": list(splits.average_over),
    }


def scored_data(
    path: Path,
    card: Mapping[str, Any],
    name: str | None,
    root: Path | None,
    config_dir: Path | None = None,
) -> Splits:
    """Read the data set of a checkpoint's card, or the data config of that name, without training.

    Raises:
        ValueError: The checkpoint names no data, its place is unknown, or the network needs other
            images than the data has.
    """
    network, arguments = card["network"], {}
    if name is not None:
        several = {"modalities": network["normalize"], "heads": network["num_classes"]}
        arguments = {key: list(of) for key, of in several.items() if isinstance(of, dict)}
    else:
        name, arguments = data_of(path, card)
    node = data_config(name, {**arguments, "train": []}, root, config_dir)
    return read_data(node, network["normalize"])
