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
"""Over an image's valid pixels: summed as in heavy learning, or averaged."""


def softmax_loss(
    score: Float[Tensor, "n classes h w"], label: Integer[Tensor, "n h w"], reduction: Reduction
) -> Float[Tensor, " n"]:
    """The loss of each image: summed, or averaged, over its pixels that are not void.

    The loss of a batch is the mean of its images' losses, so that batches, accumulation and
    processes all average the same terms. An image without a valid pixel has loss 0.

    Source: Caffe's `normalize: false` (at batch 1) is "sum", `normalize: true` is "mean".
    """
    wide = score.to(torch.promote_types(score.dtype, torch.float32))
    pixel = F.cross_entropy(
        wide.flatten(2), label.flatten(1).long(), ignore_index=VOID, reduction="none"
    )
    total = pixel.sum(1)
    if reduction == "sum":
        return total
    return total / (label != VOID).flatten(1).sum(1).clamp(min=1)
