"""The confusion matrix of every scored image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import Callback, LightningModule, Trainer
from numpy import ndarray

from fcn_lightning.metrics import confusion_matrix
from fcn_lightning.task import SegmentationTask


class PerImage(Callback):
    """Writes `per_image.npz`, from which confidence intervals are computed.

    The file has `names` (n,) and `confusion` (n, classes, classes), in the order of the split, and
    `average_over`, the labels of the named classes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.num_images = 0
        self._rows: list[tuple[str, ndarray]] = []

    def on_test_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, *args: Any
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
        self.num_images = len(rows)
        if trainer.is_global_zero:
            names, matrices = zip(*rows)
            assert isinstance(pl_module, SegmentationTask)
            np.savez_compressed(
                self.folder / "per_image.npz",
                names=names,
                confusion=np.stack(matrices),
                average_over=pl_module.labels.indices(list(pl_module.average_over)),
            )
