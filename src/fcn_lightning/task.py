"""The LightningModule: losses, optimizer and scores of a network."""

from __future__ import annotations

from typing import Any

import torch
from lightning import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torchmetrics import MeanMetric

from fcn_lightning import optim
from fcn_lightning.data import Sample
from fcn_lightning.data.samplers import seed_of
from fcn_lightning.formats.checkpoint import KEY, Checkpoint
from fcn_lightning.labels import LabelSet
from fcn_lightning.losses import softmax_loss
from fcn_lightning.metrics import Scores, SegmentationScores
from fcn_lightning.models import Network
from fcn_lightning.models.fcn import ScoreMaps
from fcn_lightning.optim import Recipe


class SegmentationTask(LightningModule):
    """Trains and scores a network.

    A batch is a list of groups of images of one size: `image` (n, 3, h, w) uint8, `label`
    (n, h, w) with 255 for void, and `name`, n names. All random numbers of a training step are a
    function of the seed, the step and the process.
    """

    def __init__(
        self,
        network: Network,
        labels: LabelSet,
        recipe: Recipe,
        *,
        average_over: tuple[str, ...] = (),
        seed: int = 0,
        card: dict[str, Any] | None = None,
    ) -> None:
        """Wrap a network for training and scoring.

        Args:
            network: The network.
            labels: The classes that it scores.
            recipe: The settings of its training.
            average_over: Classes whose mean IU is reported in addition to that of all classes.
            seed: Seed of dropout.
            card: Plain values that checkpoints hold in addition to the network's description.
        """
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)
        self.labels = labels
        self.recipe = recipe
        optim.parameter_groups(self.network, recipe)  # before DDP reads requires_grad
        self.average_over = average_over
        self.seed = seed
        self.card = Checkpoint.card_of(network, card)
        self.results: dict[str, tuple[dict[str, float], Scores]] = {}
        self.scores = SegmentationScores(len(labels))
        self.loss = MeanMetric().set_dtype(torch.float64)
        self._step_losses: list[Tensor] = []
        self._unchecked: list[tuple[int, list[str], Tensor]] = []

    def configure_optimizers(self) -> OptimizerLRScheduler:
        optimizer, schedule = optim.configure(self.network, self.recipe)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def on_train_batch_start(self, batch: list[Sample], batch_idx: int) -> None:
        torch.manual_seed(seed_of("dropout", self.seed, batch_idx, self.global_rank))

    def training_step(self, batch: list[Sample], batch_idx: int) -> Tensor:
        losses = torch.cat([self._losses(group, self.network(group["image"])) for group in batch])
        names = [name for group in batch for name in group["name"]]
        self._unchecked.append((self.global_step, names, losses.detach()))
        self._step_losses.append(losses.detach())
        if not losses.is_cuda:
            self._check_losses()
        if (batch_idx + 1) % self.trainer.accumulate_grad_batches == 0:
            self._log_loss()
        return losses.mean()

    def validation_step(self, batch: list[Sample], batch_idx: int) -> Tensor:
        return self._score(batch)

    def test_step(self, batch: list[Sample], batch_idx: int) -> Tensor:
        return self._score(batch)

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

    def _losses(self, group: Sample, score: ScoreMaps) -> Tensor:
        """The loss of each image, summed over heads if there are several."""
        if isinstance(score, Tensor):
            return softmax_loss(score, group["label"], self.recipe.loss)
        return torch.stack(
            [softmax_loss(score[head], group["label"][head], self.recipe.loss) for head in score]
        ).sum(0)

    def _score(self, batch: list[Sample]) -> Tensor:
        """Add images of one size to the scores; return their predictions, (n, h, w)."""
        (group,) = batch
        score = self.network(group["image"])
        prediction = score.argmax(1)
        self.scores.update(prediction, group["label"])
        self.loss.update(self._losses(group, score))
        return prediction

    def _by_name(self, scores: Scores, loss: float) -> dict[str, float]:
        """The scores by their names in logs and tables."""
        values = {
            "pixel_acc": scores.pixel_acc,
            "mean_acc": scores.mean_acc,
            "mean_iu": scores.mean_iu,
            "fw_iu": scores.fw_iu,
            "loss": loss,
        }
        if self.average_over:
            subset = scores.class_iu[self.labels.indices(list(self.average_over))]
            values["mean_iu_subset"] = float(subset.nanmean())
        return values

    def _log_scores(self, stage: str) -> None:
        scores, loss = self.scores.compute(), float(self.loss.compute())
        self.scores.reset()
        self.loss.reset()
        values = self._by_name(scores, loss)
        self.results[stage] = values, scores
        for name, value in values.items():
            self.log(f"{stage}/{name}", value, prog_bar=name == "mean_iu")
        for name, value in zip(self.labels.classes, scores.class_iu.tolist()):
            self.log(f"{stage}/iu/{name}", value)
