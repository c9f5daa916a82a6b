"""Imports another framework's weights as a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from fcn_lightning.files import check_target
from fcn_lightning.formats.architecture import Architecture, architecture_of
from fcn_lightning.formats.caffe.parameters import check_parameters
from fcn_lightning.formats.checkpoint import Checkpoint
from fcn_lightning.formats.fit import Fit, fit
from fcn_lightning.formats.identify import read_foreign
from fcn_lightning.models import Network, build

PRECISION = "32-true"
"""The precision that imported networks are scored with, as in the reference."""


@dataclass(frozen=True)
class Imported:
    """The description of an imported network, the use of its weights, and what to know of it.

    Attributes:
        unscored: True for a classifier, whose FCN scores zero until it is trained.
        maybe_at_once: True if the file could also be of FCN8sAtOnce.
        maybe_caffe: True if a file that was read as torchvision's could be converted from Caffe.
    """

    description: dict[str, Any]
    report: Fit
    unscored: bool
    maybe_at_once: bool
    maybe_caffe: bool


def import_file(
    path: Path,
    out: Path,
    *,
    normalize: str | None = None,
    classes: int | None = None,
    at_once: bool = False,
    overwrite: bool = False,
) -> Imported:
    """Write a checkpoint with the network and weights of another framework's file.

    A classifier becomes an FCN-32s. The checkpoint then has no scoring layer: it starts at zero,
    for any number of classes.

    Args:
        path: A `.caffemodel`, or a `.pth` file of torchfcn or torchvision.
        out: The checkpoint.
        normalize: One of NORMALIZATIONS; overrides that of the network.
        classes: The number of classes that a classifier is to score, 21 by default.
        at_once: The `.pth` file is of FCN8sAtOnce.
        overwrite: Replaces an existing checkpoint.

    Raises:
        OSError: A file cannot be read or written.
        ValueError: The file is damaged or of an unsupported network, or an argument does not apply
            to it. Nothing is written.
    """
    check_target(out, overwrite=overwrite)
    source = read_foreign(path, at_once=at_once)
    found = architecture_of(source, normalize, classes)
    network = _built(path, found, normalize)
    check_parameters(source, network, unscored=found.unscored)
    state, report = fit(source, network, found.unscored)
    more = {
        "imported": path.name,
        "unscored": found.unscored,
        "loss": "mean" if found.description["backbone"]["name"] == "caffenet" else "sum",
        "precision": PRECISION,
    }
    Checkpoint(out, Checkpoint.card_of(network, more), state, step=0).save()
    maybe_caffe = normalize is None and dict(source.normalize) == {"": "torchvision"}
    return Imported(network.description, report, found.unscored, source.maybe_at_once, maybe_caffe)


def _built(path: Path, found: Architecture, normalize: str | None) -> Network:
    """The network on the meta device."""
    try:
        with torch.device("meta"):
            return build(**found.description)
    except ValueError as error:
        if normalize is not None:
            raise
        raise ValueError(f"{path} is not of a valid network: {error}") from error
