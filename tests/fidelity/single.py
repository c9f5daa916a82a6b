"""The single files: scores, kernels, the palette, and the order of training."""

from __future__ import annotations

import re
from itertools import islice

import numpy as np
import torch

from fcn_lightning.data.samplers import drawn
from fcn_lightning.labels import voc_palette
from fcn_lightning.metrics import SegmentationScores
from fcn_lightning.models.surgery import bilinear_kernel
from fidelity.cases import Case
from fidelity.compare import KERNEL, SCORE, Pair, Row, compare

SEED = 1337
"""The seed of the reference's sampling."""

MEASURES = {
    "overall": "pixel_acc",
    "mean_acc": "mean_acc",
    "mean_iu": "mean_iu",
    "fwavacc": "fw_iu",
    "iu": "class_iu",
}
"""The reference's names of the scores, and ours."""


def check_metrics(case: Case, device: str) -> list[Row]:
    """Compare histograms and scores with those of the reference's score.py."""
    histograms, scores = [], []
    for name in dict.fromkeys(key.rpartition("/")[0] for key in case.values):
        metric = SegmentationScores(len(case[f"{name}/hist"]))
        pred, gt = (torch.from_numpy(case[f"{name}/{key}"])[None] for key in ("pred", "gt"))
        metric.update(pred, gt)
        confusion, measures = metric.confusion.double().numpy(), metric.compute()
        histograms.append(Pair(name, confusion, case[f"{name}/hist"]))
        with np.errstate(invalid="ignore"):
            ours = {"cl": confusion.diagonal() / confusion.sum(1)}
        ours |= {key: getattr(measures, own_name) for key, own_name in MEASURES.items()}
        scores += [Pair(f"{key} of {name}", ours[key], case[f"{name}/{key}"]) for key in ours]
    rows = compare("score.py", "{} histograms: pixels", 0.0, histograms)
    return rows + compare("score.py", "{} scores", SCORE, scores)


def check_kernels(case: Case, device: str) -> list[Row]:
    """Compare kernels of bilinear interpolation, by their size."""
    pairs = [Pair(key, bilinear_kernel(int(key)), golden) for key, golden in case.under("").items()]
    return compare("surgery.py", "{} bilinear kernels", KERNEL, pairs)


def check_palette(case: Case, device: str) -> list[Row]:
    """Compare the colors of PASCAL VOC's labels, from label 0 on."""
    golden = case[""]
    pairs = [Pair("palette", voc_palette()[: len(golden)], golden)]
    return compare("PASCAL VOC", f"the palette's first {len(golden)} colours", 0.0, pairs)


def check_order(case: Case, device: str) -> list[Row]:
    """Compare the first images that the reference draws, for each data set."""
    python2, python3 = [], []
    for name, golden in case.under("").items():
        num_images = int(re.findall(r"_(\d+)_py", name)[-1])
        ours = list(islice(drawn("with_replacement", num_images, SEED), len(golden)))
        if name.endswith("_py2"):
            python2.append(Pair(name, ours, golden))
        else:
            python3.append(Pair(name, ours == golden, False))
    if python3 and not python2:
        raise case.misfit("holds no order of Python 2")
    rows = compare("sampling", "{} orders of Python 2, the reference's: wrong ones", 0.0, python2)
    what = "{} orders of Python 3, which ours is not: equal ones"
    return rows + compare("sampling", what, 0.0, python3)
