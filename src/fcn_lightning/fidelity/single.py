"""The single files: scores, kernels, the palette, and the order of training."""

from __future__ import annotations

import re
from itertools import islice

import numpy as np
import torch

from fcn_lightning.data.samplers import drawn
from fcn_lightning.fidelity.cases import Case
from fcn_lightning.fidelity.compare import SCORE, Comparison, Row
from fcn_lightning.fidelity.files import check_keys, read, read_array
from fcn_lightning.labels import voc_palette
from fcn_lightning.metrics import SegmentationScores
from fcn_lightning.models.surgery import bilinear_kernel

KERNEL = 1e-7
"""Absolute: our kernels are float32, rounded once."""

SEED = 1337
"""What the reference seeds its sampling with."""

ORDERS = {"NAME_N_py2": r".+_[1-9]\d*_py2", "NAME_N_py3_randint": r".+_[1-9]\d*_py3_randint"}

MEASURES = {
    "overall": "pixel_acc",
    "mean_acc": "mean_acc",
    "mean_iu": "mean_iu",
    "fwavacc": "fw_iu",
    "iu": "class_iu",
}
"""The reference's names of the scores, and ours."""


def check_metrics(case: Case) -> list[Row]:
    """The histograms and scores of the reference's score.py, case by case.

    Raises:
        ValueError: The file is not as its README says.
    """
    values = read(case.path)
    keys = ("gt", "pred", "hist", "cl", *MEASURES)
    names = dict.fromkeys(key.rpartition("/")[0] for key in values)
    check_keys(case.path, values, [f"{name}/{key}" for name in names or ["CASE"] for key in keys])
    counts, scores = Comparison("score.py", 0.0), Comparison("score.py", SCORE)
    for name in names:
        of_case = {key: values[f"{name}/{key}"] for key in keys}
        num_classes = len(of_case["hist"])
        metric = SegmentationScores(num_classes)
        metric.update(*(torch.from_numpy(of_case[key])[None] for key in ("pred", "gt")))
        confusion, ours = metric.confusion.double().numpy(), metric.compute()
        counts.add(name, confusion, of_case["hist"])
        for key, own_name in MEASURES.items():
            scores.add(f"{key} of {name}", getattr(ours, own_name), of_case[key])
        with np.errstate(invalid="ignore"):
            accuracy = confusion.diagonal() / confusion.sum(1)
        scores.add(f"cl of {name}", accuracy, of_case["cl"])
    return [counts.row("{} histograms: pixels"), scores.row("{} scores")]


def check_kernels(case: Case) -> list[Row]:
    """Kernels of bilinear interpolation, by their size.

    Raises:
        ValueError: The file is not as its README says.
    """
    values = read(case.path)
    check_keys(case.path, values, (), {"SIZE": r"[1-9]\d*"})
    comparison = Comparison("surgery.py", KERNEL)
    for size, kernel in values.items():
        comparison.add(size, bilinear_kernel(int(size)), kernel)
    return [comparison.row("{} bilinear kernels")]


def check_palette(case: Case) -> list[Row]:
    """The colours of PASCAL VOC's labels, from label 0 on."""
    palette = read_array(case.path)
    comparison = Comparison("PASCAL VOC", 0.0)
    comparison.add("palette", voc_palette()[: len(palette)], palette)
    return [comparison.row(f"the palette's first {len(palette)} colours")]


def check_order(case: Case) -> list[Row]:
    """The first images that the reference draws, for each data set.

    Raises:
        ValueError: The file is not as its README says.
    """
    values = read(case.path)
    check_keys(case.path, values, (), ORDERS)
    python2, python3 = Comparison("sampling", 0.0), Comparison("sampling", 0.0)
    for name, indices in values.items():
        num_images = int(re.findall(r"_(\d+)_py", name)[-1])
        ours = list(islice(drawn("with_replacement", num_images, SEED), len(indices)))
        if name.endswith("_py2"):
            python2.add(name, ours, indices)
        else:
            python3.add(name, ours == indices, False)
    rows = [python2.row("{} orders of Python 2, the reference's: wrong ones")]
    if python3.count:
        rows.append(python3.row("{} orders of Python 3, which ours is not: equal ones"))
    return rows
