"""Scores of images, best scores, speed and checkpoints of a finished run, sent to W&B."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import WandbLogger

from fcn_lightning.callbacks.progress import Progress
from fcn_lightning.callbacks.speed import Speed, memory
from fcn_lightning.metrics import scores


class WandbResults(Callback):
    """Sends a table of the scores of each image, and the best scores, speed and memory.

    The summary has the last scores as `test/mean_iu` and so on, and `best/mean_iu`, `best/step`,
    `images_per_second` and `memory_gib`. With `log_model`, the checkpoints are sent as versions of
    one artifact, with the aliases `best` and `last`.

    Args:
        folder: The run's folder, whose `per_image.npz` and checkpoints are complete.
        progress: Knows the best validation.
        speed: Knows the speed of the steps.
        log_model: Send the checkpoints.
    """

    def __init__(self, folder: Path, progress: Progress, speed: Speed, log_model: bool) -> None:
        self.folder, self.progress, self.speed = folder, progress, speed
        self.log_model = log_model

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        for logger in trainer.loggers if trainer.is_global_zero else ():
            if isinstance(logger, WandbLogger):
                self._send(logger.experiment, trainer)

    def _send(self, run: Any, trainer: Trainer) -> None:
        import wandb  # takes a second, and only runs that log to it need it

        rows = per_image_scores(self.folder / "per_image.npz")
        table = wandb.Table(columns=["image", "pixel_acc", "mean_iu"], data=rows)
        run.log({"per_image": table, "trainer/global_step": trainer.global_step})
        best = {f"best/{name}": value for name, value in (self.progress.best or {}).items()}
        run.summary.update(
            {
                **best,
                "images_per_second": self.speed.images_per_second(trainer),
                "memory_gib": memory(trainer) / 2**30,
            }
        )
        for path in sorted(self.folder.glob("checkpoints/*.ckpt")) if self.log_model else ():
            artifact = wandb.Artifact(f"model-{run.id}", type="model")
            artifact.add_file(str(path))
            run.log_artifact(artifact, aliases=[path.stem])


def per_image_scores(path: Path) -> list[list[Any]]:
    """Return name, pixel accuracy and mean IU of each image of a `per_image.npz`, first head."""
    with np.load(path) as file:
        names, confusion = file["names"].tolist(), file["confusion"]
    found = [scores(torch.from_numpy(matrix)) for matrix in confusion]
    return [[name, each.pixel_acc, each.mean_iu] for name, each in zip(names, found)]
