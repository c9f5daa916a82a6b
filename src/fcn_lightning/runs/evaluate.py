"""Scoring a checkpoint again, and comparing two runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from hydra.utils import instantiate
from lightning import Trainer
from omegaconf import OmegaConf

from fcn_lightning import formats
from fcn_lightning.data import Augment, Splits
from fcn_lightning.datamodule import SegmentationData
from fcn_lightning.runs.compose import compose
from fcn_lightning.runs.intervals import Difference, compare
from fcn_lightning.runs.record import by_class, without_nan
from fcn_lightning.runs.run import require_reader
from fcn_lightning.runs.trainer import configure_torch
from fcn_lightning.task import SegmentationTask


def evaluate(
    place: Path, data: str | None, root: Path | None, config_dir: Path | None = None
) -> dict[str, Any]:
    """Score the last checkpoint of a run, or a checkpoint file.

    Args:
        place: A run's folder or a checkpoint file.
        data: The name of a data config; None for the data that it was trained with.
        root: Where the data is; None for where it was.
        config_dir: A folder of configs that is searched first.

    Raises:
        ValueError: The checkpoint cannot be scored, or its classes are not those of the data.
    """
    configure_torch()
    checkpoint = formats.read_checkpoint(place)
    num_classes = checkpoint.card["network"]["num_classes"]
    if not isinstance(num_classes, int):
        raise ValueError(f"{checkpoint.path} has several heads, which cannot be scored yet.")
    splits = scored_data(checkpoint.card.get("data"), data, root, config_dir)
    if len(splits.labels) != num_classes:
        raise ValueError(
            f"{checkpoint.path} scores {num_classes} classes; {splits.name} has "
            f"{len(splits.labels)}. Evaluate it on data with the same classes."
        )
    config = compose([f"recipe.loss={checkpoint.card['loss']}", "trainer=auto"])
    recipe = instantiate(config.recipe, _convert_="all")
    task = SegmentationTask(
        checkpoint.network(), splits.labels, recipe, average_over=splits.average_over
    )
    trainer = Trainer(
        accelerator="auto",
        devices=1,
        precision=checkpoint.card["precision"],
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        use_distributed_sampler=False,
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
        "scores": without_nan(values),
        "class_iu": by_class(splits.labels.classes, scores.class_iu.tolist()),
        "average_over": list(splits.average_over),
    }


def scored_data(
    card: dict[str, Any] | None,
    name: str | None,
    root: Path | None,
    config_dir: Path | None = None,
) -> Splits:
    """Read the data set of a checkpoint's card, or the data config of that name, without training.

    Raises:
        ValueError: The checkpoint names no data, or its place is unknown.
    """
    arguments: dict[str, Any] = {}
    if name is None:
        if card is None:
            raise ValueError("The checkpoint names no data. Add --data NAME --data-root DIR.")
        name, arguments = card["name"], dict(card["arguments"])
    return read_data(name, {**arguments, "train": []}, root, config_dir)


def read_data(
    name: str, arguments: dict[str, Any], root: Path | None, config_dir: Path | None = None
) -> Splits:
    """Read the data set of a data config, with some of its arguments changed.

    Raises:
        ValueError: The config has no reader, or its place is unknown.
    """
    node = compose([f"data={name}"], config_dir).data
    require_reader(node)
    if root is not None:
        arguments = arguments | {"root": str(root), "voc_root": None, "sbd_root": None}
    for key, value in arguments.items():
        if key not in node.keys():  # noqa: SIM118  a key whose value is missing is not `in` the node
            continue
        if key != "train" or OmegaConf.is_list(node._get_node(key)):  # a list of lists, not a file
            node[key] = value
    if OmegaConf.is_missing(node, "root"):
        raise ValueError(f"The place of {name} is not known. Add --data-root DIR.")
    splits: Splits = instantiate(node, _convert_="all")
    return splits


def compare_runs(a: Path, b: Path) -> dict[str, Difference]:
    """Compare the mean IU of two finished runs, over all classes and over those named.

    Raises:
        ValueError: A run has no scores of single images, or they are of different images.
    """
    files = [folder / "per_image.npz" for folder in (a, b)]
    for file in files:
        if not file.is_file():
            raise ValueError(f"{file.parent} is not a finished run: it has no {file.name}.")
    first, second = (np.load(file) for file in files)
    if first["names"].tolist() != second["names"].tolist():
        raise ValueError(f"{a} and {b} were scored on different images. Compare runs of one split.")
    named = {"mean_iu": None, "mean_iu_subset": first["average_over"].tolist()}
    return {
        name: compare(first["confusion"], second["confusion"], classes)
        for name, classes in named.items()
        if classes is None or classes
    }
