"""Forward passes: every blob, the score, the argmax and the losses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from fcn_lightning.fidelity import images
from fcn_lightning.fidelity.blobs import Blobs, blob_named, blobs_of
from fcn_lightning.fidelity.cases import Case
from fcn_lightning.fidelity.compare import CLEAR, FORWARD, LOSS, Comparison, Row, map_unit
from fcn_lightning.fidelity.files import check_keys, misfit, read
from fcn_lightning.fidelity.networks import network_of, without_normalization
from fcn_lightning.fidelity.reference import MODELS
from fcn_lightning.losses import softmax_loss

STRIDE = r"(?P<score>score(_[a-z]+)?)_stride(?P<stride>[1-9]\d*)"
"""The key of a score's every so many-th row and column."""

MAPS = {"score_strideN": STRIDE, "blob_NAME": "blob_.+"}
"""What forward and extra files hold of a network's maps."""


def check_forward(case: Case, weights: Case, device: str = "cpu") -> list[Row]:
    """A network's maps, score and loss of an RGB image.

    Raises:
        ValueError: The file is not as its README says, or its weights are of another network.
    """
    values, model = read(case.path), MODELS[case.model]
    if len(model.inputs) > 1 or model.heads:
        raise misfit(case.path, "be of a network of one image and one score", case.model)
    required = ("image_rgb", "label", "argmax", "loss", "loss_float64_from_score")
    check_keys(case.path, values, required, {"score": "score", **MAPS})
    image = images.rgb_image(case, "image_rgb", values["image_rgb"])
    network = network_of(case.model, read(weights.path), weights.path)
    blobs = blobs_of(network, image, device)
    label = images.label(case, "label", values["label"], image, blobs["score"].shape[1])
    losses = {
        "loss": softmax_loss(blobs["score"], label, model.loss),
        "loss_float64_from_score": softmax_loss(blobs["score"].double(), label, model.loss),
    }
    return [
        *_maps(case, values, blobs),
        _argmax(case, values, {"argmax": blobs["score"]}),
        _losses(case, values, losses),
    ]


def check_extra(case: Case, device: str = "cpu") -> list[Row]:
    """The same of a network of another data set, whose images are already normalized.

    Raises:
        ValueError: The file is not as its README says.
    """
    values, model = read(case.path), MODELS[case.model]
    inputs = {name: f"in_{name}" for name in model.inputs}
    labels = dict(zip(model.losses, [f"in_{head}" for head in model.heads] or ["in_label"]))
    argmax = {f"{score}_argmax": score for score in model.losses.values()}
    required = (*inputs.values(), *labels.values(), *model.losses, *argmax)
    check_keys(case.path, values, required, {**MAPS, "w/LAYER.weight": r"w/.+\.(weight|bias)"})
    weights = {key[2:]: value for key, value in values.items() if key.startswith("w/")}
    network = network_of(case.model, weights, case.path)
    without_normalization(network)
    image = {
        name: images.normalized_image(case, key, values[key], model.normalization(name))
        for name, key in inputs.items()
    }
    blobs = blobs_of(network, image if model.fusion else image["data"], device)
    losses = {}
    for loss, score in model.losses.items():
        key, (_, classes, _, _) = labels[loss], blobs[score].shape
        label = images.label(case, key, values[key], next(iter(image.values())), classes)
        losses[loss] = softmax_loss(blobs[score], label, model.loss)
    return [
        *_maps(case, values, blobs),
        _argmax(case, values, {key: blobs[score] for key, score in argmax.items()}),
        _losses(case, values, losses),
    ]


def _maps(case: Case, values: Mapping[str, Any], blobs: Blobs) -> list[Row]:
    """The blobs, and the scores or what is there of them; each score must be there."""
    maps, scores = Comparison(case.title, FORWARD), Comparison(case.title, FORWARD)
    found = set()
    for key, golden in values.items():
        if key.startswith("blob_"):
            name = blob_named(key.removeprefix("blob_"), blobs)
            if name is None:
                raise misfit(case.path, f"hold blobs of its network ({', '.join(blobs)})", key)
            maps.add(name, blobs[name][0], golden, unit=map_unit(golden))
        elif key in blobs or re.fullmatch(STRIDE, key):
            match = re.fullmatch(STRIDE, key)
            score, step = (match["score"], int(match["stride"])) if match else (key, 1)
            if score not in blobs:
                raise misfit(case.path, "hold scores of its network", key)
            found.add(score)
            scores.add(key, blobs[score][0, :, ::step, ::step], golden, unit=map_unit(golden))
    if missing := set(MODELS[case.model].losses.values()) - found:
        name = missing.pop()
        raise misfit(case.path, f"hold `{name}` or `{name}_strideN`", "neither")
    blobs_row = [maps.row("1 blob" if maps.count == 1 else "{} blobs")] if maps.count else []
    return [*blobs_row, scores.row("score")]


def _argmax(case: Case, values: Mapping[str, Any], scores: Mapping[str, Tensor]) -> Row:
    """Pixels of another class, among those where the class is clear."""
    pixels = Comparison(case.title, 0.0)
    clear_pixels = all_pixels = 0
    for key, score in scores.items():
        best = score[0].topk(2, dim=0)
        clear = (best.values[0] - best.values[1] > CLEAR).numpy()
        golden = values[key]
        if golden.shape != clear.shape:
            pixels.add(key, best.indices[0], golden)
            continue
        wrong = (best.indices[0].numpy() != golden) & clear
        pixels.add(key, wrong.sum(), 0)
        clear_pixels, all_pixels = clear_pixels + clear.sum(), all_pixels + clear.size
    share = 100 * clear_pixels / max(all_pixels, 1)
    return pixels.row(f"argmax: wrong pixels ({share:.2f} % are clear)")


def _losses(case: Case, values: Mapping[str, Any], losses: Mapping[str, Tensor]) -> Row:
    comparison = Comparison(case.title, LOSS)
    for key, loss in losses.items():
        comparison.add(key, loss.item(), values[key], unit=abs(float(values[key])))
    return comparison.row("loss, relative" if len(losses) == 1 else "{} losses, relative")
