"""The LightningDataModule: loaders of training and validation images."""

from __future__ import annotations

import atexit
import multiprocessing
import signal
from collections import defaultdict
from collections.abc import Mapping, Sequence

import torch
from lightning import LightningDataModule, Trainer
from torch.utils.data import DataLoader, Dataset, Subset, default_collate

from fcn_lightning.data import Augment, Sample, SegmentationDataset, Splits
from fcn_lightning.data.loss_sampling import LossSampling
from fcn_lightning.data.mask import Color, Mask, Masked
from fcn_lightning.data.samplers import Shard, TrainingOrder
from fcn_lightning.data.transforms import Augmented
from fcn_lightning.labels import by_name
from fcn_lightning.optim import Recipe

Images = SegmentationDataset | Subset[Sample] | Masked


class SegmentationData(LightningDataModule):
    """Loads each process's share of the training batches, and of the images that are scored.

    The training order is a function of the optimizer step, so a run that resumes at step n sees
    the images that an uninterrupted run sees. Each validation image is scored once.
    """

    def __init__(
        self,
        splits: Splits,
        recipe: Recipe,
        augment: Augment,
        *,
        seed: int,
        num_workers: int,
        val_batch: int = 1,
        overfit_batches: int | float = 0,
        sampling: LossSampling | None = None,
        mask: Mask | None = None,
        colors: Mapping[str, Color] = {},
    ) -> None:
        """Prepare the loaders of a run.

        Args:
            splits: The images to train on and to score.
            recipe: The batch, the order of images and the number of steps.
            augment: The augmentation of training images.
            seed: Seed of the training order and of augmentation.
            num_workers: Processes that read images, for each loader.
            val_batch: Images that are scored at a time, by each process. Those of one size go
                through the network together.
            overfit_batches: Train on the first batches of images alone, and score those: a number
                of batches, or a fraction of the images below 1; 0 for all.
            sampling: The pixels of training images that stay in the loss; None for all.
            mask: The regions of images that are masked; None for none.
            colors: The color of masked pixels, by modality; needed with a mask.
        """
        super().__init__()
        self.train_images: Images = splits.train
        self.val_images: Images = splits.val
        if overfit_batches:
            num_images = round(
                overfit_batches * (len(splits.train) if overfit_batches < 1 else recipe.batch)
            )
            first = range(min(max(num_images, 1), len(splits.train)))
            self.train_images = self.val_images = Subset(splits.train, first)
        mask = mask or Mask()
        if mask.train:
            self.train_images = Masked(self.train_images, mask.train, colors, splits.labels)
        if mask.test:
            self.val_images = Masked(self.val_images, mask.test, colors, splits.labels)
        self.recipe = recipe
        self.augment = augment
        self.sampling = sampling
        self.seed = seed
        self.num_workers = num_workers
        self.val_batch = val_batch

    def train_dataloader(self) -> DataLoader[Sample]:
        atexit.register(_end_workers)
        trainer = self._trainer()
        per_pass, _ = self.recipe.passes(trainer.world_size)
        order = TrainingOrder(
            self.recipe.order,
            len(self.train_images),
            seed=self.seed,
            batch=self.recipe.batch,
            per_pass=per_pass,
            max_steps=self.recipe.max_steps,
            first_step=trainer.global_step,
            rank=trainer.global_rank,
            num_processes=trainer.world_size,
        )
        dataset: Dataset[Sample] = Augmented(
            self.train_images, self.augment, self.seed, self.sampling
        )
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
        shard = Shard(len(self.val_images), trainer.global_rank, trainer.world_size)
        return DataLoader(
            self.val_images,
            sampler=shard,
            batch_size=self.val_batch,
            num_workers=self.num_workers,
            worker_init_fn=_leave_signals_to_the_run,
            collate_fn=by_size,
            pin_memory=torch.cuda.is_available(),
        )

    def test_dataloader(self) -> DataLoader[Sample]:
        return self.val_dataloader()

    def _trainer(self) -> Trainer:
        assert self.trainer is not None, "The loaders need a trainer."
        return self.trainer


def by_size(samples: Sequence[Sample]) -> list[Sample]:
    """Group samples by size and stack each group, so that no image is padded.

    `place` of a group has the places of its samples.
    """
    groups: dict[torch.Size, list[int]] = defaultdict(list)
    for place, sample in enumerate(samples):
        image = next(iter(by_name(sample["image"]).values()))
        groups[image.shape].append(place)
    return [
        {**default_collate([samples[place] for place in places]), "place": places}
        for places in groups.values()
    ]


def _leave_signals_to_the_run(worker: int) -> None:
    """Lets a worker ignore Ctrl-C and SIGTERM: the run still needs batches to finish its step.

    Ctrl-C and a cluster's SIGTERM reach every process of a run.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)


def _end_workers() -> None:
    """Kills the workers of loaders at exit; Python would send SIGTERM, which they ignore."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # torch's handler reports their end as a failure
    for child in multiprocessing.active_children():
        if child.daemon:
            child.kill()
