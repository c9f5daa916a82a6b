"""The best mean IU that a prediction of each stride can have on a data set's own labels.

The label map is sampled at the centre of every stride x stride cell and blown up again.
Source: Long et al. 2014 (arXiv:1411.4038v2), appendix A.

    python benchmarks/upper_bounds.py data=shapes
"""

from __future__ import annotations

import sys

import torch
from hydra.utils import instantiate

from fcn_lightning.data import Splits
from fcn_lightning.labels import VOID
from fcn_lightning.metrics import SegmentationScores
from fcn_lightning.runs.compose import compose


def upper_bound(splits: Splits, stride: int) -> float:
    """Mean IU of the validation labels at that stride against themselves."""
    scores = SegmentationScores(len(splits.labels))
    for i in range(len(splits.val)):
        label = splits.val[i]["label"]
        h, w = label.shape
        rows, columns = (
            (torch.arange(n) // stride * stride + stride // 2).clamp(max=n - 1) for n in (h, w)
        )
        coarse = label[rows][:, columns]
        scores.update(coarse.where(coarse != VOID, 0)[None], label[None])
    return scores.compute().mean_iu


if __name__ == "__main__":
    data = instantiate(compose([*sys.argv[1:], "classifier=null"]).data, _convert_="all")
    for stride in (32, 16, 8, 4):
        print(f"stride {stride:2d}: {100 * upper_bound(data, stride):.1f}")
