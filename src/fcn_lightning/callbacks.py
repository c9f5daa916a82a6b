"""What a run writes: pictures, scores of every image, log lines, scores.json."""

from __future__ import annotations

import csv
import json
import logging
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
import wandb
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import Logger, WandbLogger
from lightning.pytorch.utilities import rank_zero_only
from numpy import ndarray
from PIL import Image
from torch import Tensor

from fcn_lightning import visualize
from fcn_lightning.data import Sample
from fcn_lightning.labels import VOID, LabelSet
from fcn_lightning.metrics import confusion_matrix
from fcn_lightning.task import SegmentationTask

log = logging.getLogger("fcn_lightning")


class Pictures(Callback):
    """Some images, evenly over the validation split, with label and prediction.

    At every validation they go to Weights & Biases as masks; at the end into the run's folder:
    `NAME.image.png`, `NAME.label.png` and `NAME.prediction.png` (palette PNGs), and side by side
    as `NAME.png`.
    """

    def __init__(self, num_images: int) -> None:
        self.num_images = num_images
        self._chosen: list[tuple[Sample, Tensor]] = []

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self._choose(trainer.num_val_batches, outputs, batch, batch_idx)

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self._choose(trainer.num_test_batches, outputs, batch, batch_idx)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        chosen, self._chosen = self._chosen, []
        assert isinstance(pl_module, SegmentationTask)
        labels = pl_module.labels
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger) and trainer.is_global_zero:
                images = {
                    f"pictures/{sample['name']}": _masked(sample, prediction.numpy(), labels)
                    for sample, prediction in chosen
                }
                logger.log_metrics(images, trainer.global_step)  # type: ignore[arg-type]

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        chosen, self._chosen = self._chosen, []
        folder = Path(trainer.default_root_dir) / "pictures"
        folder.mkdir(exist_ok=True)
        assert isinstance(pl_module, SegmentationTask)
        palette = pl_module.labels.palette
        for sample, prediction in chosen:
            image, label = _pixels(sample), sample["label"].numpy()
            name = sample["name"]
            Image.fromarray(image).save(folder / f"{name}.image.png")
            visualize.save_label(label, palette, folder / f"{name}.label.png")
            visualize.save_label(prediction.numpy(), palette, folder / f"{name}.prediction.png")
            row = visualize.side_by_side(image, label, prediction.numpy(), palette)
            Image.fromarray(row).save(folder / f"{name}.png")

    def _choose(
        self, num_batches: Sequence[int | float], prediction: Tensor, batch: Any, batch_idx: int
    ) -> None:
        every = max(1, int(num_batches[0]) // self.num_images)
        if batch_idx % every or len(self._chosen) == self.num_images:
            return
        (group,) = batch
        sample = {key: group[key][0] for key in ("image", "label", "name")}
        sample = {k: v.cpu() if isinstance(v, Tensor) else v for k, v in sample.items()}
        self._chosen.append((sample, prediction[0].to("cpu", torch.uint8)))


class PerImage(Callback):
    """One confusion matrix for each scored image, as `per_image.npz`: intervals are drawn from it.

    `names` (n,) and `confusion` (n, classes, classes), in the order of the split; `average_over`
    has the labels of the named classes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._rows: list[tuple[str, ndarray]] = []

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        assert isinstance(pl_module, SegmentationTask)
        (group,) = batch
        for name, prediction, label in zip(group["name"], outputs, group["label"]):
            matrix = confusion_matrix(prediction, label, len(pl_module.labels))
            self._rows.append((name, matrix.cpu().numpy().astype(np.int32)))

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        rows = self._rows
        if trainer.world_size > 1:
            shards: list[Any] = [None] * trainer.world_size
            torch.distributed.all_gather_object(shards, rows)
            longest = max(map(len, shards))
            rows = [shard[i] for i in range(longest) for shard in shards if i < len(shard)]
        if trainer.is_global_zero:
            names, matrices = zip(*rows)
            assert isinstance(pl_module, SegmentationTask)
            np.savez_compressed(
                self.folder / "per_image.npz",
                names=names,
                confusion=np.stack(matrices),
                average_over=pl_module.labels.indices(list(pl_module.average_over)),
            )


class Progress(Callback):
    """A log line at every validation and, where there is no progress bar, ten while training.

    It also knows the best validation: `best` is {"step", "mean_iu"} or None.
    """

    def __init__(self) -> None:
        self.best: dict[str, float] | None = None
        self._start = (0, 0.0)
        self._told = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._start = (trainer.global_step, time.monotonic())
        self._told = trainer.global_step

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        step, last = trainer.global_step, trainer.max_steps
        if step == last:
            trainer.should_stop = True  # which makes Lightning validate once more, at the end
        elif (
            step % max(1, last // 10) == 0
            and step > self._told
            and not trainer.progress_bar_callback
        ):
            first, start = self._start
            self._told = step
            rate = (time.monotonic() - start) / (step - first)
            log.info(
                "step %d of %d, loss %.4g, %.3g s a step, %.0f s to go",
                step, last, trainer.callback_metrics["train/loss"], rate, rate * (last - step),
            )  # fmt: skip

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, SegmentationTask)
        values, _ = pl_module.results["val"]
        if self.best is None or values["mean_iu"] > self.best["mean_iu"]:
            self.best = {"step": trainer.global_step, "mean_iu": values["mean_iu"]}
        log.info("step %d, %s", trainer.global_step, in_words(values))

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = state_dict["best"]


class MetricsFile(Logger):
    """`metrics.csv`: a row for each time that something is logged, a column for each name.

    A run that goes on keeps the rows from before the step that it goes on from.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self._old: list[dict[str, Any]] = []
        self._rows: list[dict[str, Any]] = []
        self._columns = ["step"]
        if path.is_file():
            with path.open(newline="") as file:
                self._old = list(csv.DictReader(file))

    @property
    def name(self) -> str:
        return "metrics"

    @property
    def version(self) -> str:
        return ""

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """They are in config.yaml."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        row: dict[str, Any] = {"step": step, **metrics}
        kept = [old for old in self._old if int(old["step"]) < (step or 0)]
        self._old = []
        self._rows += [*kept, row]
        columns = list(dict.fromkeys(chain(self._columns, *kept, row)))
        rewrite = columns != self._columns
        self._columns = columns
        with self.path.open("w" if rewrite else "a", newline="") as file:
            writer = csv.DictWriter(file, self._columns)
            if rewrite:
                writer.writeheader()
            writer.writerows(self._rows if rewrite else [row])


def in_words(values: dict[str, float]) -> str:
    """Scores in one line, in percent."""
    words = {
        "pixel_acc": "pixel acc.", "mean_acc": "mean acc.", "mean_iu": "mean IU",
        "fw_iu": "f.w. IU", "mean_iu_subset": "mean IU of the named classes",
    }  # fmt: skip
    parts = [f"{text} {100 * values[name]:.2f}" for name, text in words.items() if name in values]
    return ", ".join([*parts, f"loss {values['loss']:.4g}"])


def wandb_logger(
    save_dir: str, project: str, name: str, group: str | None, settings: dict[str, Any]
) -> WandbLogger:
    """A W&B run as W&B is set up on this machine; offline where there is no account."""
    mode = wandb.setup().settings.mode
    if mode == "online" and not wandb.login(prompt=False):
        mode = "offline"
    logger = WandbLogger(
        save_dir=save_dir,
        project=project,
        name=name,
        group=group,
        mode=mode,
        settings=wandb.Settings(quiet=True),  # the run's own log has its scores
    )
    logger.log_hyperparams(settings)
    return logger


def write_json(path: Path, content: Any) -> None:
    """Writes to a temporary name first, so that the file is whole or not there."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")
    temporary.replace(path)


def versions() -> dict[str, str]:
    """What the scores were computed with."""
    names = ("fcn-lightning", "torch", "torchvision", "lightning", "hydra-core", "torchmetrics")
    return {name: version(name) for name in names}


def _pixels(sample: Sample) -> ndarray:
    pixels: ndarray = sample["image"].permute(1, 2, 0).numpy()
    return pixels


def _masked(sample: Sample, prediction: ndarray, labels: LabelSet) -> wandb.Image:
    names = {**dict(enumerate(labels.classes)), VOID: "void"}
    maps = {"label": sample["label"].numpy(), "prediction": prediction}
    masks = {key: {"mask_data": value, "class_labels": names} for key, value in maps.items()}
    return wandb.Image(_pixels(sample), masks=masks, caption=sample["name"])
