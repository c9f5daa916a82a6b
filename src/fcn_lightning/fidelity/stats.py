"""Shapes and statistics of every blob of a network, at several sizes of the image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fcn_lightning.fidelity import images
from fcn_lightning.fidelity.blobs import Blobs, blob_named, blobs_of
from fcn_lightning.fidelity.cases import Case
from fcn_lightning.fidelity.compare import FORWARD, LOSS, Comparison, Row, map_unit
from fcn_lightning.fidelity.files import check_keys, misfit, read
from fcn_lightning.fidelity.networks import network_of
from fcn_lightning.fidelity.reference import MODELS, Model
from fcn_lightning.labels import VOID
from fcn_lightning.losses import softmax_loss
from fcn_lightning.models import FCN, LateFusion
from fcn_lightning.models.normalize import NORMALIZATIONS

VALUES = ("mean", "std", "min", "max", "first")
"""What is there of a blob beside its shape; `first` are its first values."""


def check_stats(
    case: Case, weights: Case, forward: Sequence[Case], device: str = "cpu"
) -> list[Row]:
    """Shapes at every size; values too where a forward file has the image of that size.

    Raises:
        ValueError: The file is not as its README says, or its weights are of another network.
    """
    sizes = read(case.path)
    check_keys(case.path, sizes, (), {"HxW": r"[1-9]\d*x[1-9]\d*"})
    if not sizes:
        raise misfit(case.path, "hold the blobs of at least one size", "none")
    network = network_of(case.model, read(weights.path), weights.path)
    known = {image.shape[2:]: (image, label) for image, label in map(_image_and_label, forward)}
    shapes, rows = Comparison(case.title, 0.0), []
    for size, blobs in sizes.items():
        _check_blobs(case, size, blobs)
        h, w = map(int, size.split("x"))
        image = known.get(torch.Size((h, w)))
        shown = image or (_zeros(case, h, w), None)
        ours = _all_blobs(network, MODELS[case.model], shown, device)
        for name, golden in blobs.items():
            blob = _blob(case, name, ours)
            shapes.add(f"{name} at {size}", tuple(blob.shape) != tuple(golden["shape"]), False)
        if image is not None:
            rows += _values(case, size, blobs, ours)
    return [*rows, shapes.row(f"{{}} shapes at {', '.join(sizes)}: wrong ones")]


def _values(case: Case, size: str, golden: Mapping[str, Any], ours: Blobs) -> list[Row]:
    title = f"{case.title} {size}"
    values, losses = Comparison(title, FORWARD), Comparison(title, LOSS)
    for name, expected in golden.items():
        blob = _blob(case, name, ours).double().numpy()
        first = np.asarray(expected["first"])
        found = {
            **{key: getattr(blob, key)() for key in ("mean", "std", "min", "max")},
            "first": blob.ravel()[: first.size],
        }
        if blob.ndim == 0:
            losses.add(name, found["mean"], expected["mean"], unit=abs(expected["mean"]))
            continue
        unit = map_unit([expected["min"], expected["max"]])
        for key in VALUES:
            values.add(f"{key} of {name}", found[key], expected[key], unit)
    rows = [values.row(f"mean, std, min, max, first values of {values.count // 5} blobs")]
    return [*rows, *([losses.row("loss of the blobs, relative")] if losses.count else [])]


def _check_blobs(case: Case, size: str, blobs: object) -> None:
    """Raises a ValueError unless each blob has all its values."""
    if not isinstance(blobs, dict) or not all(isinstance(blob, dict) for blob in blobs.values()):
        raise misfit(case.path, f"hold blobs by name for {size}", type(blobs).__name__)
    for name, blob in blobs.items():
        if set(blob) != {"shape", *VALUES}:
            expected = ", ".join(("shape", *VALUES))
            raise misfit(case.path, f"hold {expected} of {name} at {size}", ", ".join(blob))


def _blob(case: Case, name: str, blobs: Blobs) -> Tensor:
    own_name = blob_named(name, blobs)
    if own_name is None:
        raise misfit(case.path, f"hold blobs of its network ({', '.join(blobs)})", name)
    return blobs[own_name]


def _image_and_label(case: Case) -> tuple[Tensor, Tensor]:
    values = read(case.path)
    check_keys(case.path, values, ("image_rgb", "label"), {"others": ".+"})
    image = images.rgb_image(case, "image_rgb", values["image_rgb"])
    return image, images.label(case, "label", values["label"], image, VOID)


def _zeros(case: Case, h: int, w: int) -> Tensor | dict[str, Tensor]:
    """An image of that size; the shapes of its blobs are those of any."""
    model = MODELS[case.model]
    zeros = {
        name: torch.zeros(1, len(NORMALIZATIONS[model.normalization(name)].mean), h, w)
        for name in model.inputs
    }
    return zeros if model.fusion else zeros["data"]


def _all_blobs(
    network: FCN | LateFusion,
    model: Model,
    known: tuple[Tensor | dict[str, Tensor], Tensor | None],
    device: str,
) -> Blobs:
    """The blobs of a forward pass with those of labels and losses; without a label, of all 0."""
    image, label = known
    blobs = blobs_of(network, image, device)
    (h, w), first = blobs[next(iter(model.losses.values()))].shape[2:], model.heads or ("label",)
    label = torch.zeros(1, h, w, dtype=torch.uint8) if label is None else label
    for name, (loss, score) in zip(first, model.losses.items(), strict=True):
        blobs[loss] = softmax_loss(blobs[score], label, model.loss)[0]
        blobs[name] = label[:, None]
    return blobs
