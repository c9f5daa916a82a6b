"""Some of the scored images, with label and prediction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import WandbLogger
from numpy import ndarray
from PIL import Image
from torch import Tensor

from fcn_lightning import visualize
from fcn_lightning.data import Sample
from fcn_lightning.labels import VOID, LabelSet
from fcn_lightning.task import SegmentationTask


class Pictures(Callback):
    """Shows some of the images that process 0 scores, at equal distances in the split.

    Each validation sends them to Weights & Biases as masks. The final scoring writes them to the
    run's folder: `NAME.image.png`, `NAME.label.png` and `NAME.prediction.png` (palette PNGs), and
    all three in a row as `NAME.png`.
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
        *args: Any,
    ) -> None:
        if trainer.is_global_zero:
            self._choose(trainer.num_val_batches[0], outputs, batch, batch_idx)

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
            self._choose(trainer.num_test_batches[0], outputs, batch, batch_idx)

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
                logger.log_metrics(images, trainer.global_step)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        chosen, self._chosen = self._chosen, []
        if not trainer.is_global_zero:
            return
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
        self, num_batches: int | float, prediction: Tensor, batch: Any, batch_idx: int
    ) -> None:
        every = max(1, int(num_batches) // self.num_images)
        if batch_idx % every or len(self._chosen) == self.num_images:
            return
        (group,) = batch
        sample = {key: group[key][0] for key in ("image", "label", "name")}
        sample = {k: v.cpu() if isinstance(v, Tensor) else v for k, v in sample.items()}
        self._chosen.append((sample, prediction[0].to("cpu", torch.uint8)))


def _pixels(sample: Sample) -> ndarray:
    pixels: ndarray = sample["image"].permute(1, 2, 0).numpy()
    return pixels


def _masked(sample: Sample, prediction: ndarray, labels: LabelSet) -> Any:
    """The image as a `wandb.Image` with two masks."""
    import wandb  # takes a second, and only runs that log to it need it

    names = {**dict(enumerate(labels.classes)), VOID: "void"}
    maps = {"label": sample["label"].numpy(), "prediction": prediction}
    masks = {key: {"mask_data": value, "class_labels": names} for key, value in maps.items()}
    return wandb.Image(_pixels(sample), masks=masks, caption=sample["name"])
