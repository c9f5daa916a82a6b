"""`.pth` files of others: torchfcn's FCNs and torchvision's classifiers.

Source: wkentaro/pytorch-fcn torchfcn/models and trainer.py; torchvision's models.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fcn_lightning.models import build
from fcn_lightning.weights.checkpoints import load
from fcn_lightning.weights.classifiers import from_torchvision
from fcn_lightning.weights.source import Source, summary

AT_ONCE = {"scale_pool4": 0.01, "scale_pool3": 0.0001}
"""The constants that FCN8sAtOnce has in its code and not in its file."""

CONVOLUTIONS = {13: "vgg16", 5: "alexnet"}

_SCALAR = np.float64(0).__reduce__()[0]

NUMPYS: list[Any] = [
    (_SCALAR, "numpy.core.multiarray.scalar"),
    (_SCALAR, "numpy._core.multiarray.scalar"),
    np.dtype,
    np.dtypes.Float64DType,
]
"""What the best mean IU in torchfcn's checkpoints is made of; plain numbers."""


def source(path: Path, *, at_once: bool) -> Source:
    """Reads weights of torchfcn, alone or in its checkpoint, or of torchvision.

    Args:
        path: The file.
        at_once: The weights are of FCN8sAtOnce, which the weights alone do not tell.

    Raises:
        OSError: It is not there.
        ValueError: It is neither, or `at_once` does not fit it.
    """
    with torch.serialization.safe_globals(NUMPYS):
        content = load(path)
    if "fcn_lightning" in content:
        raise ValueError(f"{path} must be someone else's file; it is a checkpoint of ours already.")
    state = content.get("model_state_dict", content)
    if not isinstance(state, Mapping) or not state or not _all_tensors(state):
        raise ValueError(f"{path} must hold weights by names of layers; it holds something else.")
    for name, value in state.items():
        if not _plain(value):
            raise ValueError(
                f"{path} must hold dense real numbers by names of layers; `{name}` is something "
                "else. Save the network's state_dict() itself."
            )
        if not torch.isfinite(value).all():
            raise ValueError(
                f"{path}: `{name}` must hold finite numbers; it holds NaN or infinity. Take "
                "weights from before the training diverged."
            )
    if any(name.startswith(("features.", "inception")) for name in state):
        return _torchvisions(path, state, at_once)
    return _torchfcns(path, state, content.get("arch"), at_once)


def _all_tensors(state: Mapping[str, Any]) -> bool:
    return all(isinstance(value, Tensor) for value in state.values())


def _plain(value: Tensor) -> bool:
    return value.layout == torch.strided and not value.is_complex() and value.ndim > 0


def _torchfcns(path: Path, state: Mapping[str, Tensor], arch: object, at_once: bool) -> Source:
    skips = {"score_pool4.weight", "score_pool3.weight"} <= state.keys()
    if at_once and (not skips or arch not in (None, "FCN8sAtOnce")):
        raise ValueError(
            f"{path} must be of FCN8sAtOnce with --at-once; it is of {arch or 'another network'}. "
            "Leave --at-once out."
        )
    scales = AT_ONCE if at_once or arch == "FCN8sAtOnce" else {}
    weights = {name: value.float() for name, value in state.items()}
    return Source(path, weights, scales, normalize={"": "caffe"})  # its loaders know no other mean


def _torchvisions(path: Path, state: Mapping[str, Tensor], at_once: bool) -> Source:
    if any(name.startswith("inception") for name in state):
        raise ValueError(
            f"{path} must be torchvision's vgg16 or alexnet; it is its GoogLeNet, which is "
            "another net than the published one (batch normalization, no 5 x 5 convolutions). "
            "Import Caffe's bvlc_googlenet.caffemodel."
        )
    if at_once:
        raise ValueError(f"{path} must be torchfcn's with --at-once; it is torchvision's.")
    layers = {name.rpartition(".")[0] for name in state if name.startswith("features.")}
    name = CONVOLUTIONS.get(len(layers))
    if name is None or not any(name.startswith("classifier.") for name in state):
        raise ValueError(
            f"{path} must be torchvision's vgg16 or alexnet with its classifier; it has "
            f"{len(layers)} layers with weights in `features`, and others "
            f"{summary([n for n in state if not n.startswith('features.')])}. Use features alone "
            "by init_from."
        )
    with torch.device("meta"):
        names = build(backbone={"name": name}, head={}, num_classes=1)
    renamed = from_torchvision(state, names)
    weights = {name: value.float() for name, value in renamed.items()}
    return Source(path, weights, normalize={"": "torchvision"})
