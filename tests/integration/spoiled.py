"""`fcn-train` with what several processes get wrong elsewhere put back: tests must find it.

The environment variable SPOILED names what: it reaches all processes of a run.
"""

from __future__ import annotations

import os

from torch import Tensor
from torch.utils.data import DistributedSampler

from fcn_lightning import datamodule
from fcn_lightning.cli.train import main
from fcn_lightning.data import Sample
from fcn_lightning.labels import VOID
from fcn_lightning.losses import softmax_loss
from fcn_lightning.task import SegmentationTask


def padded_shard(num_images: int, rank: int, num_processes: int) -> DistributedSampler[int]:
    """What Lightning gives a validation loader: shards of one length, the last filled up."""
    return DistributedSampler(range(num_images), num_processes, rank, shuffle=False)


def pixel_average(task: SegmentationTask, batch: list[Sample], batch_idx: int) -> Tensor:
    """A training step whose loss is averaged over the valid pixels of a process's whole batch."""
    total = sum(softmax_loss(task.network(g["image"]), g["label"], "sum").sum() for g in batch)
    valid = sum(int((g["label"] != VOID).sum()) for g in batch)
    loss: Tensor = total / max(valid, 1)
    task.log("train/loss", loss, sync_dist=True)
    return loss


if __name__ == "__main__":
    if os.environ["SPOILED"] == "padded_validation":
        datamodule.Shard = padded_shard
    elif os.environ["SPOILED"] == "pixel_average":
        SegmentationTask.training_step = pixel_average
    main()
