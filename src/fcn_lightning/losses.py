"""The per-pixel softmax loss.

Source: Long et al. 2015, 3; Caffe's SoftmaxWithLoss with ignore_label 255.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Integer
from numpy import ndarray
from torch import Tensor

from fcn_lightning.labels import VOID

Reduction = Literal["sum", "mean"]
"""Over the valid pixels of an image: "sum", as in heavy learning, or "mean"."""


def softmax_loss(
    score: Float[Tensor, "n classes h w"],
    label: Integer[Tensor, "n h w"],
    reduction: Reduction,
    class_weights: Float[Tensor, " classes"] | None = None,
) -> Float[Tensor, " n"]:
    """The softmax loss of each image, summed or averaged over its valid (not void) pixels.

    Callers average it over the images of a batch, so that batches, accumulation and processes all
    average the same terms. An image without valid pixels has loss 0. Half-precision scores are
    summed in float32. `class_weights` are factors on the losses of pixels, by their label; "mean"
    still divides by the number of valid pixels.

    Source: Caffe's `normalize: false` with batch 1 is "sum"; `normalize: true` is "mean".
    """
    wide = score.to(torch.promote_types(score.dtype, torch.float32))
    pixel = F.cross_entropy(
        wide.flatten(2),
        label.flatten(1).long(),
        weight=None if class_weights is None else class_weights.to(wide.dtype),
        ignore_index=VOID,
        reduction="none",
    )
    total = pixel.sum(1)
    if reduction == "sum":
        return total
    return total / (label != VOID).flatten(1).sum(1).clamp(min=1)


def balanced_weights(num_pixels: Integer[ndarray, " classes"]) -> Float[Tensor, " classes"]:
    """The class weights with which all classes contribute equally to a loss.

    They are inversely proportional to the frequencies of the classes, and their mean over the
    pixels is 1, so that the loss keeps its scale. A class without pixels has weight 0.

    Source: Long et al. 2015, 4.3, "Class balancing": by weighting or sampling the loss. The paper
    does not give the weights; these are our choice.

    Args:
        num_pixels: The number of training pixels of each class, without void.
    """
    occurring = num_pixels > 0
    share = num_pixels.sum() / max(occurring.sum(), 1)
    weights = np.where(occurring, share / np.maximum(num_pixels, 1), 0.0)
    return torch.from_numpy(weights).float()
