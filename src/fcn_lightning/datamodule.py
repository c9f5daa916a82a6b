"""Training and validation images in, loaders out."""

from __future__ import annotations

import atexit
import multiprocessing
import signal
from collections import defaultdict
from collections.abc import Sequence

import torch
from lightning import LightningDataModule, Trainer
from torch.utils.data import DataLoader, Dataset

from fcn_lightning.data import Augment, Sample, Splits
from fcn_lightning.data.samplers import Shard, TrainingOrder
from fcn_lightning.data.transforms import Augmented
from fcn_lightning.optim import Recipe


class SegmentationData(LightningDataModule):
    """Batches for every process, by the recipe; validation images one at a time, each once.

    Only optimizer steps are counted: a run that goes on at step n sees what it would have seen.
    """

    def __init__(
        self, splits: Splits, recipe: Recipe, augment: Augment, *, seed: int, num_workers: int
    ) -> None:
        super().__init__()
        self.splits = splits
        self.recipe = recipe
        self.augment = augment
        self.seed = seed
        self.num_workers = num_workers

    def train_dataloader(self) -> DataLoader[Sample]:
        atexit.register(_end_workers)
        trainer = self._trainer()
        per_pass, _ = self.recipe.passes(trainer.world_size)
        order = TrainingOrder(
            self.recipe.order,
            len(self.splits.train),
            seed=self.seed,
            batch=self.recipe.batch,
            per_pass=per_pass,
            max_steps=self.recipe.max_steps,
            first_step=trainer.global_step,
            rank=trainer.global_rank,
            num_processes=trainer.world_size,
        )
        dataset: Dataset[Sample] = Augmented(self.splits.train, self.augment, self.seed)
        return DataLoader(
            dataset,
            batch_sampler=order,
            num_workers=self.num_workers,
            worker_init_fn=_leave_signals_to_the_run,
            collate_fn=by_size,
            pin_memory=torch.cuda.is_available(),
        )

    def val_dataloader(self) -> DataLoader[Sample]:
        trainer = self._trainer()
        shard = Shard(len(self.splits.val), trainer.global_rank, trainer.world_size)
        return DataLoader(
            self.splits.val,
            sampler=shard,
            batch_size=1,
            num_workers=self.num_workers,
            worker_init_fn=_leave_signals_to_the_run,
            collate_fn=by_size,
            pin_memory=torch.cuda.is_available(),
        )

    def test_dataloader(self) -> DataLoader[Sample]:
        return self.val_dataloader()

    def _trainer(self) -> Trainer:
        assert self.trainer is not None, "Loaders are made for a trainer."
        return self.trainer


def by_size(samples: Sequence[Sample]) -> list[Sample]:
    """Stacks samples of one size: a batch is a list of such groups, so that nothing is padded."""
    groups: dict[torch.Size, list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample["image"].shape].append(sample)
    return [
        {
            "image": torch.stack([sample["image"] for sample in group]),
            "label": torch.stack([sample["label"] for sample in group]),
            "name": [sample["name"] for sample in group],
        }
        for group in groups.values()
    ]


def _leave_signals_to_the_run(worker: int) -> None:
    """Ctrl-C, and a cluster's SIGTERM, reach every process of a run, which needs a last batch."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)


def _end_workers() -> None:
    """Ends loaders' workers, which Python would ask by SIGTERM, and wait for."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # torch's handler takes their end for a failure
    for child in multiprocessing.active_children():
        if child.daemon:
            child.kill()
