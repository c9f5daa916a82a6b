"""Some of the scored images, with label and prediction."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger, WandbLogger
from numpy import ndarray
from PIL import Image
from torch import Tensor

from fcn_lightning import visualize
from fcn_lightning.callbacks.scored import Scored, scored
from fcn_lightning.labels import VOID
from fcn_lightning.task import SegmentationTask

QUICK = 3
"""PNG's level of compression. The default, 6, takes photographs twice the time for more bytes."""


class Pictures(Callback):
    """Shows some of the images that process 0 scores, at equal distances in the split.

    Each validation sends them to Weights & Biases as masks, and to TensorBoard in a row. The final
    scoring writes them to the run's folder: `NAME.image.png`, `NAME.label.png` and
    `NAME.prediction.png` (palette PNGs), and all of them in a row as `NAME.png`. A second modality
    is `NAME.depth.image.png`, a second head has `NAME.geo.label.png` and `NAME.geo.prediction.png`.
    """

    def __init__(self, num_images: int) -> None:
        self.num_images = num_images
        self._chosen: list[Shown] = []

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        *args: Any,
    ) -> None:
        if trainer.is_global_zero:
            loader, limit = trainer.val_dataloaders, trainer.num_val_batches[0]
            self._choose(loader, limit, outputs, batch, batch_idx)

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        *args: Any,
    ) -> None:
        if trainer.is_global_zero:
            loader, limit = trainer.test_dataloaders, trainer.num_test_batches[0]
            self._choose(loader, limit, outputs, batch, batch_idx)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        chosen, self._chosen = self._chosen, []
        assert isinstance(pl_module, SegmentationTask)
        for logger in trainer.loggers if trainer.is_global_zero else ():
            if isinstance(logger, WandbLogger):
                images = {f"pictures/{shown.name}": _masked(shown, pl_module) for shown in chosen}
                logger.log_metrics(images, trainer.global_step)
            elif isinstance(logger, TensorBoardLogger):
                for shown in chosen:
                    logger.experiment.add_image(
                        f"pictures/{shown.name}",
                        _in_a_row(shown, pl_module),
                        trainer.global_step,
                        dataformats="HWC",
                    )

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        chosen, self._chosen = self._chosen, []
        if not trainer.is_global_zero:
            return
        folder = Path(trainer.default_root_dir) / "pictures"
        folder.mkdir(exist_ok=True)
        assert isinstance(pl_module, SegmentationTask)
        for shown in chosen:
            _write(shown, pl_module, folder)

    def _choose(
        self, loader: Any, limit: int | float, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        num_scored = min(len(loader.sampler), int(limit) * loader.batch_size)
        every = max(1, num_scored // self.num_images)
        for place, image in enumerate(scored(batch, outputs), batch_idx * loader.batch_size):
            if place % every == 0 and len(self._chosen) < self.num_images:
                self._chosen.append(_shown(image))


class Shown(NamedTuple):
    """An image that is shown: (h, w, 3) pictures by modality, label maps by head."""

    name: str
    images: dict[str, ndarray]
    labels: dict[str, ndarray]
    predictions: dict[str, ndarray]


def _shown(image: Scored) -> Shown:
    return Shown(
        image.name.replace("/", "_"),  # ids may have subfolders
        {modality: _colors(pixels.cpu()) for modality, pixels in image.images.items()},
        {head: label.cpu().numpy() for head, label in image.labels.items()},
        {head: p.to("cpu", torch.uint8).numpy() for head, p in image.predictions.items()},
    )


def _colors(image: Tensor) -> ndarray:
    """An image as (h, w, 3) uint8; a depth as gray."""
    if len(image) == 1:
        return visualize.gray(image[0].numpy())
    pixels: ndarray = image.permute(1, 2, 0).numpy()
    return pixels


def _write(shown: Shown, task: SegmentationTask, folder: Path) -> None:
    """Write an image's files."""
    for place, (modality, picture) in enumerate(shown.images.items()):
        part = f".{modality}" if place else ""
        Image.fromarray(picture).save(
            folder / f"{shown.name}{part}.image.png", compress_level=QUICK
        )
    for place, (head, labels) in enumerate(task.labels.items()):
        part, palette = f".{head}" if place else "", labels.palette
        maps = {"label": shown.labels[head], "prediction": shown.predictions[head]}
        for kind, values in maps.items():
            visualize.save_label(values, palette, folder / f"{shown.name}{part}.{kind}.png")
    Image.fromarray(_in_a_row(shown, task)).save(folder / f"{shown.name}.png", compress_level=QUICK)


def _in_a_row(shown: Shown, task: SegmentationTask) -> ndarray:
    """The image, and each head's label and overlaid prediction, as (h, w, 3) uint8."""
    row = list(shown.images.values())
    for head, labels in task.labels.items():
        row += [
            visualize.colorize(shown.labels[head], labels.palette),
            visualize.overlay(row[0], shown.predictions[head], labels.palette),
        ]
    return visualize.in_a_row(row)


def _masked(shown: Shown, task: SegmentationTask) -> Any:
    """The image as a `wandb.Image` with two masks for each head."""
    import wandb  # takes a second, and only runs that log to it need it

    masks = {}
    for place, (head, labels) in enumerate(task.labels.items()):
        names = {**dict(enumerate(labels.classes)), VOID: "void"}
        prefix = f"{head}_" if place else ""
        for kind, maps in (("label", shown.labels), ("prediction", shown.predictions)):
            masks[f"{prefix}{kind}"] = {"mask_data": maps[head], "class_labels": names}
    return wandb.Image(next(iter(shown.images.values())), masks=masks, caption=shown.name)
