"""The four scores of the papers, from one confusion matrix over the whole split."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int, Integer
from torch import Tensor
from torchmetrics import Metric


class Scores(NamedTuple):
    """Fractions. A class has no IU, NaN, where it is neither in the labels nor predicted."""

    pixel_acc: float
    mean_acc: float
    mean_iu: float
    fw_iu: float
    class_iu: Float[Tensor, " classes"]


def confusion_matrix(
    prediction: Integer[Tensor, "*shape"], label: Integer[Tensor, "*shape"], num_classes: int
) -> Int[Tensor, "classes classes"]:
    """Counts of pixels by label (row) and prediction (column), where the label is a class.

    Source: shelhamer/fcn.berkeleyvision.org score.py, `fast_hist`.
    """
    valid = (label >= 0) & (label < num_classes)
    pairs = label[valid].long() * num_classes + prediction[valid].long()
    return torch.bincount(pairs, minlength=num_classes**2).view(num_classes, num_classes)


def scores(confusion: Int[Tensor, "classes classes"]) -> Scores:
    """The scores of a confusion matrix.

    Means leave out classes without a value: mean_acc those that no label has, mean_iu those that
    are neither in the labels nor predicted (a class that is only predicted counts as 0).

    Source: shelhamer/fcn.berkeleyvision.org score.py, `do_seg_tests`.
    """
    confusion = confusion.cpu().double()
    right, labelled, predicted = confusion.diag(), confusion.sum(1), confusion.sum(0)
    class_iu = right / (labelled + predicted - right)
    frequency = labelled / confusion.sum()
    return Scores(
        pixel_acc=float(right.sum() / confusion.sum()),
        mean_acc=float((right / labelled).nanmean()),
        mean_iu=float(class_iu.nanmean()),
        fw_iu=float((frequency * class_iu)[frequency > 0].sum()),
        class_iu=class_iu,
    )


class SegmentationScores(Metric):
    """`scores` over all the images that it was shown, on all processes."""

    full_state_update = False
    confusion: Tensor

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        zeros = torch.zeros(num_classes, num_classes, dtype=torch.long)
        self.add_state("confusion", zeros, dist_reduce_fx="sum")

    def update(self, prediction: Tensor, label: Tensor) -> None:
        """Adds images: both (n, h, w), labels with void 255."""
        self.confusion += confusion_matrix(prediction, label, self.num_classes)

    def compute(self) -> Scores:
        """The scores of all that was added."""
        return scores(self.confusion)
