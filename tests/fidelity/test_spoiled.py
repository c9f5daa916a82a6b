"""The comparison fails where the software or a value is spoiled."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

from fcn_lightning import losses, optim
from fcn_lightning.models import SkipHead
from fcn_lightning.models.fusion import LateFusion
from fcn_lightning.optim import Recipe
from fidelity import passes, trajectories
from fidelity.rounding import ROUNDINGS

Folder = Callable[..., Path]
Fidelity = Callable[[Path], tuple[int, Any]]
Groups = list[dict[str, Any]]

FCN8S = ("forward_voc-fcn8s_narrow_33x45.npz", "weights_voc-fcn8s_narrow.npz")
GOOGLENET = (
    "forward_voc-fcn-googlenet_narrow_65x97.npz",
    "weights_voc-fcn-googlenet_narrow.npz",
)
ALEXNET = (
    "train_voc-fcn-alexnet_wdstress.npz",
    "weights_voc-fcn-alexnet_narrow.npz",
    "train_sequence.npz",
)

parameter_groups = optim.parameter_groups


def failed(record: dict[str, Any]) -> dict[str, str]:
    """What exceeded its tolerance, without numbers, and where."""
    assert not record["ok"]
    rows = [row for row in record["rows"] if not row["ok"]]
    return {row["what"].lstrip("0123456789 ").partition(",")[0]: row["where"] for row in rows}


@pytest.mark.parametrize(("crop", "where"), [(0, "fuse_pool4"), (1, "fuse_pool3"), (2, "score")])
def test_a_crop(
    crop: int, where: str, folder: Folder, fidelity: Fidelity, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = SkipHead.__init__

    def shifted(head: SkipHead, *args: Any, **arguments: Any) -> None:
        make(head, *args, **arguments)
        upscored, met = head._crops[crop]
        head._crops[crop] = (upscored + (crop == 2), met + (crop < 2))

    monkeypatch.setattr(SkipHead, "__init__", shifted)
    status, record = fidelity(folder(*FCN8S))
    assert status == 1
    assert "score" in failed(record)
    assert where == "score" or "blobs" in failed(record)


def test_a_crop_that_an_imported_file_has_otherwise(
    shared: Path, folder: Folder, fidelity: Fidelity, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in (shared / "golden").glob("*voc-fcn-alexnet_narrow*"):
        shutil.copy(path, folder())
    make = SkipHead.__init__

    def shifted(head: SkipHead, *args: Any, **arguments: Any) -> None:
        make(head, *args, **arguments)
        head._crops[-1] = (head._crops[-1][0] + 1, 0)

    monkeypatch.setattr(SkipHead, "__init__", shifted)
    status, record = fidelity(folder())
    assert status == 1
    where = failed(record)
    assert (
        "`score` has offset 18; the network" in where["imported parameters: values of other bits"]
    )
    assert {"score", "losses"} <= set(where)


def without_double_rate(network: nn.Module, recipe: Recipe) -> Groups:
    groups = parameter_groups(network, recipe)
    return [{**g, "lr": g["lr"] / (1 if g["weight_decay"] else 2)} for g in groups]


def without_plain_biases(network: nn.Module, recipe: Recipe) -> Groups:
    return parameter_groups(network, replace(recipe, plain_biases=()))


def without_decay(network: nn.Module, recipe: Recipe) -> Groups:
    return [{**group, "weight_decay": 0.0} for group in parameter_groups(network, recipe)]


@pytest.fixture
def few_roundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer ways to round are tried, since none helps: all were, once."""
    few = dict(islice(ROUNDINGS.items(), 2))
    monkeypatch.setattr(trajectories, "ROUNDINGS", few)


@pytest.mark.usefixtures("few_roundings")
@pytest.mark.parametrize("spoiled", [without_double_rate, without_plain_biases, without_decay])
def test_the_update(
    spoiled: Callable[..., Groups],
    folder: Folder,
    fidelity: Fidelity,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(optim, "parameter_groups", spoiled)
    status, record = fidelity(folder(*ALEXNET))
    assert status == 1
    assert {"final weights", "changes"} <= set(failed(record))
    assert "first gradients" not in failed(record)


def test_no_rounding_helps_an_update_without_decay(
    folder: Folder, fidelity: Fidelity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(optim, "parameter_groups", without_decay)
    names = ("train_voc-fcn8s-atonce_wdstress.npz", "weights_voc-fcn8s-atonce_narrow.npz")
    status, record = fidelity(folder(*names, "train_sequence.npz"))
    assert status == 1
    assert {"final weights", "changes"} <= set(failed(record))


def test_a_blob(folder: Folder, fidelity: Fidelity) -> None:
    place = folder(*FCN8S)
    values = dict(np.load(place / FCN8S[0]))
    values["blob_score_pool4c"][3, 1, 2] += 2e-4
    np.savez(place / FCN8S[0], **values)
    status, record = fidelity(place)
    assert status == 1
    assert failed(record) == {"blobs": "score_pool4c"}


def test_an_argmax_of_another_shape(folder: Folder, fidelity: Fidelity) -> None:
    place = folder(*FCN8S)
    values = dict(np.load(place / FCN8S[0]))
    np.savez(place / FCN8S[0], **{**values, "argmax": values["argmax"][None]})
    status, record = fidelity(place)
    assert status == 1
    assert list(failed(record).values()) == ["argmax"]


@pytest.mark.usefixtures("few_roundings")
def test_a_final_weight_of_another_shape(folder: Folder, fidelity: Fidelity) -> None:
    place = folder(*ALEXNET)
    values = dict(np.load(place / ALEXNET[0]))
    np.savez(place / ALEXNET[0], **{**values, "final/fc7.bias": values["final/fc7.bias"][:-1]})
    status, record = fidelity(place)
    assert status == 1
    assert failed(record)["final weights"].startswith("fc7.bias, of shape ")


def test_a_label(folder: Folder, fidelity: Fidelity) -> None:
    place = folder(*FCN8S)
    values = dict(np.load(place / FCN8S[0]))
    values["label"][:5] = 3
    np.savez(place / FCN8S[0], **values)
    assert set(failed(fidelity(place)[1])) == {"losses"}


@pytest.mark.parametrize(
    "name",
    [
        "extra_nyud-fcn32s-color-hha_narrow_33x45.npz",
        "extra_nyud-fcn16s-color-hha_narrow_29x38.npz",
    ],
)
def test_the_mean_of_two_networks_scores(
    name: str, folder: Folder, fidelity: Fidelity, monkeypatch: pytest.MonkeyPatch
) -> None:
    fused = LateFusion.fused
    monkeypatch.setattr(LateFusion, "fused", lambda network, image: 2 * fused(network, image))
    status, record = fidelity(folder(name))
    assert status == 1
    assert failed(record) == {"blobs": "score_fused", "score": "score_stride3", "loss": "loss"}


def test_googlenets_response_normalization(
    folder: Folder, fidelity: Fidelity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nn.LocalResponseNorm, "forward", lambda layer, x: x)
    status, record = fidelity(folder(*GOOGLENET))
    assert status == 1
    assert {"blobs", "score", "losses"} <= set(failed(record))


def test_a_loss_that_is_averaged(
    folder: Folder, fidelity: Fidelity, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mean(score: Any, label: Any, reduction: str) -> Any:
        return losses.softmax_loss(score, label, "mean")

    monkeypatch.setattr(passes, "softmax_loss", mean)
    assert failed(fidelity(folder(*FCN8S))[1]) == {"losses": "loss"}
