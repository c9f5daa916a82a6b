"""Forward passes: blobs, scores, argmax, losses, and statistics of every blob."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch

from fcn_lightning.losses import softmax_loss
from fcn_lightning.models.normalize import NORMALIZATIONS
from fidelity.cases import Case, cases_in
from fidelity.compare import CLEAR, FORWARD, LOSS, Pair, Row, compare, map_unit, relative
from fidelity.networks import network_of, without_normalization
from fidelity.passes import Blobs, blob, blobs_of, examples
from fidelity.reference import MODELS, Model

RGB, NORMALIZED = ("image_rgb", "label"), ("in_{name}", "in_{name}")
"""The keys of images and labels in forward and extra files."""

STATISTICS = ("mean", "std", "min", "max")


def check_maps(case: Case, device: str) -> list[Row]:
    """Compare maps, scores, their argmax and losses.

    A forward file holds an RGB image. An extra file holds weights, and images of another data set
    that are normalized already.
    """
    model, forward = MODELS[case.model], case.kind == "forward"
    network = network_of(case.weights) if forward else without_normalization(network_of(case, "w/"))
    (shown,) = examples(case, model, *(RGB if forward else NORMALIZED))
    blobs = blobs_of(network, model, shown, device)
    argmax = {score: "argmax" if forward else f"{score}_argmax" for _, score, _ in model.targets}
    losses = {loss: blobs[loss] for _, _, loss in model.targets}
    if forward:
        double = softmax_loss(blobs["score"].double(), shown["label"], model.loss)
        losses["loss_float64_from_score"] = double[0]
    pairs = [relative(key, loss, float(case[key])) for key, loss in losses.items()]
    what = "loss, relative" if len(pairs) == 1 else "{} losses, relative"
    rows = _blobs(case, blobs) + _scores(case, blobs, argmax) + _argmax(case, blobs, argmax)
    return rows + compare(case.title, what, LOSS, pairs)


def check_stats(case: Case, device: str) -> list[Row]:
    """Compare shapes at every size, and values where a forward file has an image of that size."""
    model, network, sizes = MODELS[case.model], network_of(case.weights), case.under("")
    shown = {}
    for other in cases_in(case.path.parent):
        if (other.kind, other.model, other.tag) == ("forward", case.model, case.tag):
            (example,) = examples(other, model, *RGB)
            shown["{}x{}".format(*example["label"].shape[1:])] = example
    rows, shapes = [], []
    for size, golden in sizes.items():
        if not re.fullmatch(r"[1-9]\d*x[1-9]\d*", size):
            raise case.misfit(f"holds the unknown key `{size}`")
        blobs = blobs_of(network, model, shown.get(size) or _blank(model, size), device)
        for name, expected in golden.items():
            if set(expected) != {"shape", "first", *STATISTICS}:
                raise case.misfit(f"holds {', '.join(expected)} of {name} at {size}")
            differs = tuple(blob(case, blobs, name).shape) != tuple(expected["shape"])
            shapes.append(Pair(f"{name} at {size}", differs, False))
        if size in shown:
            rows += _statistics(case, f"{case.title} {size}", golden, blobs)
    what = f"{{}} shapes at {', '.join(sizes)}: wrong ones"
    return rows + compare(case.title, what, 0.0, shapes)


def _blank(model: Model, size: str) -> Blobs:
    h, w = map(int, size.split("x"))
    channels = {name: len(NORMALIZATIONS[kind].mean) for name, kind in model.inputs.items()}
    labels = {label: torch.zeros(1, h, w).byte() for label, _, _ in model.targets}
    return {name: torch.zeros(1, c, h, w) for name, c in channels.items()} | labels


def _blobs(case: Case, blobs: Blobs) -> list[Row]:
    golden = case.under("blob_")
    pairs = [
        Pair(n, blob(case, blobs, n)[0], value, map_unit(value)) for n, value in golden.items()
    ]
    return compare(case.title, "1 blob" if len(pairs) == 1 else "{} blobs", FORWARD, pairs)


def _scores(case: Case, blobs: Blobs, names: Iterable[str]) -> list[Row]:
    """Each score, or every so many-th row and column of it."""
    pairs = []
    for name in names:
        held = [key for key in case.values if key.partition("_stride")[0] == name]
        for key in held or [name]:
            step, golden = int(key.partition("_stride")[2] or 1), case[key]
            pairs.append(Pair(key, blobs[name][0, :, ::step, ::step], golden, map_unit(golden)))
    return compare(case.title, "score", FORWARD, pairs)


def _argmax(case: Case, blobs: Blobs, keys: Mapping[str, str]) -> list[Row]:
    """Pixels of another class, among those whose class is clear."""
    pairs, clear = [], []
    for score, key in keys.items():
        (first, second), (best, _) = (x.numpy() for x in blobs[score][0].topk(2, dim=0))
        clear.append(first - second > CLEAR)
        same_shape = case[key].shape == best.shape
        wrong = ((best != case[key]) & clear[-1]).sum() if same_shape else np.inf
        pairs.append(Pair(key, wrong, 0))
    what = f"argmax: wrong pixels ({100 * np.mean(clear):.2f} % are clear)"
    return compare(case.title, what, 0.0, pairs)


def _statistics(case: Case, title: str, golden: Mapping[str, Any], blobs: Blobs) -> list[Row]:
    """Statistics and first values of every map, and the loss."""
    values, losses = [], []
    for name, expected in golden.items():
        ours = blob(case, blobs, name).double().numpy()
        if ours.ndim == 0:
            losses.append(relative(name, ours, expected["mean"]))
            continue
        found = {key: getattr(ours, key)() for key in STATISTICS}
        found["first"] = ours.ravel()[: len(expected["first"])]
        unit = map_unit([expected["min"], expected["max"]])
        values += [Pair(f"{key} of {name}", found[key], expected[key], unit) for key in found]
    what = f"mean, std, min, max, first values of {len(values) // 5} blobs"
    rows = compare(title, what, FORWARD, values)
    return rows + compare(title, "loss of the blobs, relative", LOSS, losses)
