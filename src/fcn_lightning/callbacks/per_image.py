"""The confusion matrices of every scored image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import Callback, LightningModule, Trainer
from numpy import ndarray

from fcn_lightning.callbacks.scored import scored
from fcn_lightning.metrics import confusion_matrix
from fcn_lightning.task import SegmentationTask


class PerImage(Callback):
    """Writes `per_image.npz`, from which confidence intervals are computed.

    The file has `names` (n,) and `confusion` (n, classes, classes), in the order of the split, and
    `average_over`, the labels of the named classes. A second head has its own `geo/confusion`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.num_images = 0
        self._rows: list[tuple[str, list[ndarray]]] = []

    def on_test_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, *args: Any
    ) -> None:
        assert isinstance(pl_module, SegmentationTask)
        for image in scored(batch, outputs):
            matrices = [
                confusion_matrix(image.predictions[head], image.labels[head], len(classes))
                for head, classes in pl_module.labels.items()
            ]
            of_image = [each.cpu().numpy().astype(np.int32) for each in matrices]
            self._rows.append((image.name, of_image))

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        rows = self._rows
        if trainer.world_size > 1:
            shards: list[Any] = [None] * trainer.world_size
            torch.distributed.all_gather_object(shards, rows)
            longest = max(map(len, shards))
            rows = [shard[i] for i in range(longest) for shard in shards if i < len(shard)]
        self.num_images = len(rows)
        if trainer.is_global_zero:
            assert isinstance(pl_module, SegmentationTask)
            names, matrices = zip(*rows)
            heads = list(pl_module.labels)
            keys = ["confusion", *(f"{head}/confusion" for head in heads[1:])]
            first = pl_module.labels[heads[0]]
            arrays: dict[str, Any] = {
                "names": names,
                "average_over": first.indices(list(pl_module.average_over)),
                **{key: np.stack(of_head) for key, of_head in zip(keys, zip(*matrices))},
            }
            np.savez_compressed(self.folder / "per_image.npz", **arrays)
