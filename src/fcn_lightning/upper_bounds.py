"""The best scores that a prediction of a given stride can have: the labels against themselves.

A label map is reduced to one label for each cell of stride x stride pixels and enlarged again, then
scored as a prediction. CVPR 2015's appendix prints the mean IU of that for six strides; it does not
say how it reduces and enlarges. These are three ways, DEFINITIONS:

- `majority`: every pixel of a cell has the label that is most frequent in it.
- `bilinear`: the maps of `majority`, one of 0 and 1 for each label, are interpolated as the upscore
  layers do; a pixel has the label of the largest value.
- `nearest`: every pixel of a cell has the label at its centre.

Void is a label like any other until it is scored. A pixel that becomes void is predicted as no
class: it is wrong for its own class and counts against no other.

Cells begin at the top left pixel; those at the bottom and on the right may be smaller.

Source: Long et al. 2014 (arXiv:1411.4038v2), appendix A; Shelhamer et al. 2016.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import UInt8
from numpy import ndarray
from torch import Tensor

from fcn_lightning.labels import VOID
from fcn_lightning.metrics import scores

STRIDES = (128, 64, 32, 16, 8, 4)
"""The strides of the paper."""

Label = UInt8[Tensor, "h w"]
"""A label map; 255 is void."""


def majority(label: Label, stride: int) -> Label:
    """The most frequent label of each cell; of equally frequent ones the smallest."""
    cells, found = _most_frequent(label, stride)
    rows, columns = (torch.arange(side) // stride for side in label.shape)
    return found[cells][rows[:, None], columns]


def bilinear(label: Label, stride: int) -> Label:
    """The largest of the labels' maps, interpolated from the most frequent label of each cell.

    The value of a cell lies at its centre. Of equal values the smallest label has precedence.
    """
    (h, w), (cells, found) = label.shape, _most_frequent(label, stride)
    maps = F.one_hot(cells, len(found)).permute(2, 0, 1).float()[None]
    maps = F.interpolate(maps, scale_factor=stride, mode="bilinear")[0, :, :h, :w]
    return found[maps.max(0).indices]  # `argmax` is ten times slower


def nearest(label: Label, stride: int) -> Label:
    """The label at the centre of each cell, the lower right of four pixels for an even stride.

    Where a cell ends before its centre, it has the last label of the row or column.
    """
    rows, columns = (
        (torch.arange(side) // stride * stride + stride // 2).clamp(max=side - 1)
        for side in label.shape
    )
    return label[rows[:, None], columns]


DEFINITIONS: Mapping[str, Callable[[Label, int], Label]] = {
    "majority": majority,
    "bilinear": bilinear,
    "nearest": nearest,
}


def upper_bounds(
    labels: Iterable[Tensor], num_classes: int, strides: Sequence[int] = STRIDES
) -> dict[str, dict[int, float]]:
    """The mean IU of the label maps of a split, by definition and stride.

    Args:
        labels: The label maps, (h, w) uint8, of any sizes; they are read once.
        num_classes: Number of classes. A class that no map has is left out of the mean.
        strides: Sides of the cells in pixels.

    Returns:
        Fractions: `upper_bounds(...)["majority"][32]`.

    Raises:
        ValueError: A stride is not positive.
    """
    if min(strides, default=1) < 1:
        raise ValueError(f"`strides` must be 1 or more; got {list(strides)}.")
    counts = {name: {stride: np.zeros(2**16, int) for stride in strides} for name in DEFINITIONS}
    for label in labels:
        for name, of_stride in counts.items():
            for stride, pairs in of_stride.items():
                pairs += _pairs(label, DEFINITIONS[name](label, stride))
    return {
        name: {stride: _mean_iu(pairs, num_classes) for stride, pairs in of_stride.items()}
        for name, of_stride in counts.items()
    }


def _pairs(label: Label, coarse: Label) -> ndarray:
    """The number of pixels of each pair of labels, at 256 times the first plus the second."""
    pairs = label.numpy().astype(np.intp) * 256 + coarse.numpy()
    return np.bincount(pairs.ravel(), minlength=2**16)  # several times faster than torch's


def _mean_iu(pairs: ndarray, num_classes: int) -> float:
    """The mean IU of the classes; void is one more column of their confusion matrix."""
    kept = [*range(num_classes), VOID]
    confusion = torch.from_numpy(pairs).view(256, 256)[kept][:, kept]
    confusion[-1] = 0
    return float(scores(confusion).class_iu[:-1].nanmean())


def _most_frequent(label: Label, stride: int) -> tuple[Tensor, UInt8[Tensor, " found"]]:
    """The label of each cell, as its index in the labels of the map; and these labels."""
    found = torch.from_numpy(np.unique(label.numpy()))
    of_label = (label == found[:, None, None]).float()
    counts = F.avg_pool2d(of_label, stride, ceil_mode=True, divisor_override=1)
    return counts.max(0).indices, found
