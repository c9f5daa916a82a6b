"""Faults of several processes, as other systems have them. Tests must find them."""

from __future__ import annotations

from torch import Tensor
from torch.utils.data import DistributedSampler

from fcn_lightning import datamodule
from fcn_lightning.data import Sample
from fcn_lightning.labels import VOID
from fcn_lightning.losses import softmax_loss
from fcn_lightning.task import SegmentationTask


def pad_shards() -> None:
    """Score what Lightning gives a process: shards of one length, the last filled up."""

    def padded_shard(num_images: int, rank: int, processes: int) -> DistributedSampler[int]:
        return DistributedSampler(range(num_images), processes, rank, shuffle=False)

    datamodule.Shard = padded_shard


def average_over_pixels() -> None:
    """Train on the average over all valid pixels of a process's images."""
    SegmentationTask.training_step = pixel_average


def pixel_average(task: SegmentationTask, batch: list[Sample], batch_idx: int) -> Tensor:
    """A training step whose loss is averaged over the valid pixels of a process's whole batch."""
    total = sum(softmax_loss(task.network(g["image"]), g["label"], "sum").sum() for g in batch)
    valid = sum(int((g["label"] != VOID).sum()) for g in batch)
    loss: Tensor = total / max(valid, 1)
    task.log("train/loss", loss, sync_dist=True)
    return loss
