"""The LightningModule: losses, optimizer and scores of a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from lightning import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer
from torchmetrics import MeanMetric

from fcn_lightning import optim
from fcn_lightning.data import Sample
from fcn_lightning.data.samplers import seed_of
from fcn_lightning.formats.checkpoint import KEY, Checkpoint
from fcn_lightning.labels import LabelSets, by_name
from fcn_lightning.losses import softmax_loss
from fcn_lightning.metrics import SegmentationScores
from fcn_lightning.models import Network
from fcn_lightning.models.fcn import ScoreMaps
from fcn_lightning.optim import Recipe

MEMORY_FORMATS = {
    "contiguous": torch.contiguous_format,
    "channels_last": torch.channels_last,
}
"""Orders of a tensor's values in memory: one decides how fast a network is, and how it rounds."""

SCORES = ("pixel_acc", "mean_acc", "mean_iu", "fw_iu")

Predictions = dict[str, list[dict[str, Tensor]]]
"""`predictions`: those of each group of a batch, by head, (n, h, w)."""


class Results(NamedTuple):
    """Scores and the loss by name, and the IU of each class; both as fractions."""

    scores: dict[str, float]
    class_iu: dict[str, float]


class SegmentationTask(LightningModule):
    """Trains and scores a network.

    A batch is a list of groups of images of one size: `image` (n, 3, h, w) uint8, `label`
    (n, h, w) with 255 for void, `name`, n names, and `place`, their places in the batch. Several
    modalities have a dict of images, and several heads a dict of labels. Scores of the first head
    have plain names, `val/mean_iu`; those of another head have its name, `val/geo/mean_iu`. All
    random numbers of a training step are a function of the seed, the step and the process.
    """

    def __init__(
        self,
        network: Network,
        labels: LabelSets,
        recipe: Recipe,
        *,
        average_over: tuple[str, ...] = (),
        seed: int = 0,
        card: dict[str, Any] | None = None,
        class_weights: Mapping[str, Tensor] | None = None,
        memory_format: str = "channels_last",
    ) -> None:
        """Wrap a network for training and scoring.

        Args:
            network: The network.
            labels: The classes that it scores, of each head if there are several.
            recipe: The settings of its training.
            average_over: Classes of the first head whose mean IU is reported in addition.
            seed: Seed of dropout.
            card: Plain values that checkpoints hold in addition to the network's description.
            class_weights: Factors on the training loss of each class, by head; those of
                validation are not weighted.
            memory_format: A key of MEMORY_FORMATS.
        """
        super().__init__()
        self.network = network
        self.labels = by_name(labels)
        self.recipe = recipe
        optim.parameter_groups(self.network, recipe)  # before DDP reads requires_grad
        self.class_weights = dict(class_weights or {})
        self.average_over = average_over
        self.seed = seed
        self.card = Checkpoint.card_of(network, card)
        self.results: dict[str, Results] = {}
        self.scores = {head: SegmentationScores(len(of)) for head, of in self.labels.items()}
        self.metrics = torch.nn.ModuleList(self.scores.values())  # moved with the module
        self.loss = MeanMetric(nan_strategy="disable").set_dtype(torch.float64)
        self._step_losses: list[Tensor] = []
        self._unchecked: list[tuple[int, list[str], Tensor]] = []
        self.arrange(memory_format)

    def arrange(self, memory_format: str) -> None:
        """Put the network into a memory format, a key of MEMORY_FORMATS; checkpoints name it."""
        self.network.to(memory_format=MEMORY_FORMATS[memory_format])
        self.card["memory_format"] = memory_format

    def configure_optimizers(self) -> OptimizerLRScheduler:
        optimizer, schedule = optim.configure(self.network, self.recipe)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def on_train_batch_start(self, batch: list[Sample], batch_idx: int) -> None:
        seed = seed_of("dropout", self.seed, batch_idx, self.global_rank)
        # torch.manual_seed seeds GPUs too, which takes a millisecond where there is none.
        on_cpu = self.device.type == "cpu"
        (torch.default_generator.manual_seed if on_cpu else torch.manual_seed)(seed)

    def training_step(self, batch: list[Sample], batch_idx: int) -> Tensor:
        losses = torch.cat(
            [
                self._losses(group, self.network(group["image"]), self.class_weights, training=True)
                for group in batch
            ]
        )
        names = [name for group in batch for name in group["name"]]
        self._unchecked.append((self.global_step, names, losses.detach()))
        self._step_losses.append(losses.detach())
        if not losses.is_cuda:
            self._check_losses()
        if (batch_idx + 1) % self.trainer.accumulate_grad_batches == 0:
            self._log_loss()
        return losses.mean()

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Log the learning rate of the first group and the norm of all gradients."""
        every: int = self.trainer.log_every_n_steps  # type: ignore[attr-defined]
        if (self.global_step + 1) % every == 0:
            gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
            self.log("train/lr", optimizer.param_groups[0]["lr"])
            self.log("train/grad_norm", get_total_norm(gradients))

    def validation_step(self, batch: list[Sample], batch_idx: int) -> Predictions:
        return {"predictions": [self._score(group) for group in batch]}

    def test_step(self, batch: list[Sample], batch_idx: int) -> Predictions:
        return {"predictions": [self._score(group) for group in batch]}

    def on_validation_epoch_end(self) -> None:
        self._log_scores("val")

    def on_test_epoch_end(self) -> None:
        self._log_scores("test")

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._check_losses()
        checkpoint[KEY] = self.card

    def _log_loss(self) -> None:
        """Log the mean loss of a step's images, over its passes and processes."""
        losses, self._step_losses = self._step_losses, []
        every: int = self.trainer.log_every_n_steps  # type: ignore[attr-defined]
        if (self.global_step + 1) % every == 0:
            self._check_losses()
            loss = self.trainer.strategy.reduce(torch.cat(losses).mean(), reduce_op="mean")
            # On the CPU: Lightning reads the values of its progress bar after every pass.
            self.log("train/loss", loss.cpu(), prog_bar=True)
            self.log("step", float(self.global_step + 1))  # Lightning counts from 0

    def _check_losses(self) -> None:
        """Check all losses since the last call. On a GPU, this waits for its results.

        Raises:
            ValueError: One of them is not finite.
        """
        unchecked, self._unchecked = self._unchecked, []
        for step, names, losses in unchecked:
            finite = torch.isfinite(losses).tolist()
            if not all(finite):
                broken = [name for name, ok in zip(names, finite) if not ok]
                raise ValueError(
                    f"The loss of {', '.join(broken)} is not finite at step {step}. Lower "
                    f"`recipe.lr` ({self.recipe.lr:g}), or check the image."
                )

    def _losses(
        self,
        group: Sample,
        score: ScoreMaps,
        class_weights: Mapping[str, Tensor] = {},
        *,
        training: bool = False,
    ) -> Tensor:
        """The loss of each image, summed over heads if there are several."""
        own_loss = self.recipe.loss if training and callable(self.recipe.loss) else None
        labels, losses = by_name(group["label"]), []
        for head, own in by_name(score).items():
            weights = class_weights[head].to(own.device) if head in class_weights else None
            if own_loss:
                losses.append(checked(own_loss(own, labels[head]), len(own)))
            else:
                losses.append(softmax_loss(own, labels[head], self.recipe.reduction, weights))
        return torch.stack(losses).sum(0)

    def _score(self, group: Sample) -> dict[str, Tensor]:
        """Add images of one size to the scores; return their predictions by head, (n, h, w)."""
        score, labels = self.network(group["image"]), by_name(group["label"])
        predictions = {head: maps.argmax(1) for head, maps in by_name(score).items()}
        for head, metric in self.scores.items():
            metric.update(predictions[head], labels[head])
        self.loss.update(self._losses(group, score))
        return predictions

    def _log_scores(self, stage: str) -> None:
        results = Results({}, {})
        for head, metric in self.scores.items():
            first, labels = not results.scores, self.labels[head]
            scores, prefix = metric.compute(), "" if first else f"{head}/"
            metric.reset()
            class_iu = scores.class_iu.flatten()  # torchmetrics squeezes that of a single class
            named = {name: float(getattr(scores, name)) for name in SCORES}
            if first and self.average_over:
                subset = class_iu[labels.indices(list(self.average_over))]
                named["mean_iu_subset"] = float(subset.nanmean())
            results.scores.update({f"{prefix}{name}": value for name, value in named.items()})
            for name, value in zip(labels.classes, class_iu.tolist()):
                results.class_iu[f"{prefix}{name}"] = value
                self.log(f"{stage}/{prefix}iu/{name}", value)
        self.log("step", float(self.global_step))  # of all loggers' points
        results.scores["loss"] = float(self.loss.compute())
        self.loss.reset()
        for name, value in results.scores.items():
            self.log(f"{stage}/{name}", value, prog_bar=name == "mean_iu")
        self.results[stage] = results


def checked(losses: Tensor, num_images: int) -> Tensor:
    """Return the losses of a function of one's own.

    Raises:
        ValueError: There is not one for each image.
    """
    if losses.shape != (num_images,):
        raise ValueError(
            f"`recipe.loss` must return the loss of each image, {num_images} here; got the shape "
            f"{tuple(losses.shape)}."
        )
    return losses
