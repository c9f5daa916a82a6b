"""The per-pixel softmax loss.

Source: Long et al. 2015, 3; Caffe's SoftmaxWithLoss with ignore_label 255.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Integer
from torch import Tensor

from fcn_lightning.labels import VOID

Reduction = Literal["sum", "mean"]
"""Over the valid pixels of an image: "sum", as in heavy learning, or "mean"."""


def softmax_loss(
    score: Float[Tensor, "n classes h w"], label: Integer[Tensor, "n h w"], reduction: Reduction
) -> Float[Tensor, " n"]:
    """The softmax loss of each image, summed or averaged over its valid (not void) pixels.

    Callers average it over the images of a batch, so that batches, accumulation and processes all
    average the same terms. An image without valid pixels has loss 0. Half-precision scores are
    summed in float32.

    Source: Caffe's `normalize: false` with batch 1 is "sum"; `normalize: true` is "mean".
    """
    wide = score.to(torch.promote_types(score.dtype, torch.float32))
    pixel = F.cross_entropy(
        wide.flatten(2), label.flatten(1).long(), ignore_index=VOID, reduction="none"
    )
    total = pixel.sum(1)
    if reduction == "sum":
        return total
    return total / (label != VOID).flatten(1).sum(1).clamp(min=1)
