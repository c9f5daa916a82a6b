"""Scoring a checkpoint again, and comparing two runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from hydra.utils import instantiate
from lightning import Trainer
from omegaconf import OmegaConf

from fcn_lightning import weights
from fcn_lightning.cli.compose import compose, must_have_reader
from fcn_lightning.cli.errors import InputError
from fcn_lightning.cli.folder import by_class, or_none
from fcn_lightning.cli.trainer import TRAINER, configure_torch
from fcn_lightning.data import Augment, Splits
from fcn_lightning.datamodule import SegmentationData
from fcn_lightning.tables.intervals import Difference, compare
from fcn_lightning.task import SegmentationTask


def evaluate(place: Path, data: str | None, root: Path | None) -> dict[str, Any]:
    """The scores of a run's last checkpoint, or of a checkpoint file.

    Data, split and precision are those that it was trained with, unless others are named.

    Raises:
        ValueError: The checkpoint or the data is not what it must be.
    """
    configure_torch()
    checkpoint = weights.read_checkpoint(place)
    splits = scored_data(checkpoint.card.get("data"), data, root)
    if not isinstance(checkpoint.card["network"]["num_classes"], int):
        raise InputError(f"{checkpoint.path} must have one head to be scored; it has several.")
    if len(splits.labels) != checkpoint.card["network"]["num_classes"]:
        raise InputError(
            f"The data must have the {checkpoint.card['network']['num_classes']} classes that "
            f"{checkpoint.path} scores; {splits.name} has {len(splits.labels)}."
        )
    recipe = instantiate(
        compose([f"recipe.loss={checkpoint.card['loss']}"]).recipe, _convert_="all"
    )
    task = SegmentationTask(
        checkpoint.network(), splits.labels, recipe, average_over=splits.average_over
    )
    trainer = Trainer(
        accelerator="auto",
        devices=1,
        precision=checkpoint.card["precision"],
        logger=False,
        enable_checkpointing=False,
        **TRAINER,
    )
    module = SegmentationData(splits, recipe, Augment(), seed=0, num_workers=2)
    trainer.test(task, module, verbose=False)
    values, scores = task.results["test"]
    return {
        "checkpoint": str(checkpoint.path),
        "step": checkpoint.step,
        "data": splits.name,
        "split": splits.val_split,
        "num_images": len(splits.val),
        "scores": {name: or_none(value) for name, value in values.items()},
        "class_iu": by_class(splits.labels.classes, scores.class_iu.tolist()),
        "average_over": list(splits.average_over),
    }


def scored_data(card: dict[str, Any] | None, name: str | None, root: Path | None) -> Splits:
    """The validation data of a checkpoint's card, or the one that is named."""
    if name is None and card is None:
        raise InputError("The checkpoint names no data; name it by --data NAME --data-root DIR.")
    if name is None and card is not None:
        name, arguments = card["name"], dict(card["arguments"])
    else:
        arguments = {}
    if root is not None:
        arguments |= {"root": str(root), "voc_root": None, "sbd_root": None}
    node = compose([f"data={name}"]).data
    must_have_reader(node)
    for key, value in {**arguments, "train": []}.items():
        if key in node.keys():  # noqa: SIM118  a key whose value is missing is not `in` the node
            node[key] = value
    if OmegaConf.is_missing(node, "root"):
        raise InputError(f"The place of {name} must be given; add --data-root DIR.")
    splits: Splits = instantiate(node, _convert_="all")
    return splits


def compare_runs(a: Path, b: Path) -> dict[str, Difference]:
    """Differences of mean IU between two finished runs: over all classes, and those named.

    Raises:
        InputError: A run has no scores of single images, or they are of other images.
    """
    files = [folder / "per_image.npz" for folder in (a, b)]
    for file in files:
        if not file.is_file():
            raise InputError(f"{file.parent} must be a finished run; it has no {file.name}.")
    first, second = (np.load(file) for file in files)
    if first["names"].tolist() != second["names"].tolist():
        raise InputError(f"{a} and {b} must be scored on the same images; they are not.")
    named = {"mean_iu": None, "mean_iu_subset": first["average_over"].tolist()}
    return {
        name: compare(first["confusion"], second["confusion"], classes)
        for name, classes in named.items()
        if classes is None or classes
    }
