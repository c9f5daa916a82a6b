"""The four scores of the papers, computed from one confusion matrix of the whole split."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int, Integer
from torch import Tensor
from torchmetrics import Metric


class Scores(NamedTuple):
    """Scores as fractions; the IU of a class that is neither labeled nor predicted is NaN."""

    pixel_acc: float
    mean_acc: float
    mean_iu: float
    fw_iu: float
    class_iu: Float[Tensor, " classes"]


def confusion_matrix(
    prediction: Integer[Tensor, "*shape"], label: Integer[Tensor, "*shape"], num_classes: int
) -> Int[Tensor, "classes classes"]:
    """Count pixels by label (row) and prediction (column); void pixels are left out.

    Source: shelhamer/fcn.berkeleyvision.org score.py, `fast_hist`.
    """
    void, num_pairs = (label < 0) | (label >= num_classes), num_classes**2
    pairs = (label.int() * num_classes + prediction.int()).masked_fill_(void, num_pairs)
    if pairs.is_cuda:  # there bincount waits for the largest value
        counts = pairs.new_zeros(num_pairs + 1, dtype=torch.long)
        pairs = pairs.flatten().long()
        counts.scatter_add_(0, pairs, torch.ones_like(pairs))
    else:
        counts = torch.bincount(pairs.flatten(), minlength=num_pairs + 1)
    return counts[:num_pairs].view(num_classes, num_classes)


def scores(confusion: Int[Tensor, "classes classes"]) -> Scores:
    """Compute the scores of a confusion matrix.

    Means skip undefined classes: mean_acc those that are not labeled, mean_iu those that are
    neither labeled nor predicted. A class that is predicted but not labeled has IU 0.

    Source: shelhamer/fcn.berkeleyvision.org score.py, `do_seg_tests`.
    """
    confusion = confusion.cpu().double()
    correct, labeled, predicted = confusion.diag(), confusion.sum(1), confusion.sum(0)
    class_iu = correct / (labeled + predicted - correct)
    frequency = labeled / confusion.sum()
    return Scores(
        pixel_acc=float(correct.sum() / confusion.sum()),
        mean_acc=float((correct / labeled).nanmean()),
        mean_iu=float(class_iu.nanmean()),
        fw_iu=float((frequency * class_iu)[~(frequency == 0)].sum()),  # NaN without valid pixels
        class_iu=class_iu,
    )


class SegmentationScores(Metric):
    """Accumulates a confusion matrix over images and processes, and computes its `scores`."""

    full_state_update = False
    confusion: Tensor

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        zeros = torch.zeros(num_classes, num_classes, dtype=torch.long)
        self.add_state("confusion", zeros, dist_reduce_fx="sum")

    def update(self, prediction: Tensor, label: Tensor) -> None:
        """Add predictions and labels, both (n, h, w); 255 is void."""
        self.confusion += confusion_matrix(prediction, label, self.num_classes)

    def compute(self) -> Scores:
        """The scores of all images that were added."""
        return scores(self.confusion)
