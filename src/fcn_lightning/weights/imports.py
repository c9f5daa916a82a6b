"""Files of others into checkpoints of ours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from fcn_lightning.models import build
from fcn_lightning.weights import pth
from fcn_lightning.weights.caffe.parameters import check_parameters
from fcn_lightning.weights.caffe.source import source as caffes
from fcn_lightning.weights.checkpoints import PREFIX
from fcn_lightning.weights.files import replacing
from fcn_lightning.weights.fitting import Fit, fit
from fcn_lightning.weights.recognize import recognize
from fcn_lightning.weights.source import Source

TORCHS = (b"PK\x03\x04", b"\x80\x02")
"""How files of torch begin, the newer and the older ones."""

PRECISION = "32-true"
"""What an imported network is scored with: the reference's."""


@dataclass(frozen=True)
class Imported:
    """A network that was imported, and what became of the file's weights."""

    description: dict[str, Any]
    report: Fit
    unscored: bool


def import_file(
    path: Path,
    out: Path,
    *,
    normalize: str | None = None,
    classes: int | None = None,
    at_once: bool = False,
    overwrite: bool = False,
) -> Imported:
    """Writes a checkpoint of the network that a file holds the weights of.

    A classifier becomes an FCN-32s whose scoring layer is left out of the checkpoint: it starts at
    zero, for any number of classes.

    Args:
        path: A `.caffemodel`, or a `.pth` of torchfcn or torchvision.
        out: The checkpoint.
        normalize: One of NORMALIZATIONS, instead of the one that follows from the network.
        classes: Classes to score, of a classifier; 21 by default.
        at_once: A `.pth` is of FCN8sAtOnce.
        overwrite: Replaces a checkpoint that is there.

    Raises:
        OSError: A file cannot be read or written.
        ValueError: The file is broken or of another network, or the arguments do not fit it. Then
            nothing is written.
    """
    with replacing(out, overwrite=overwrite) as (partial,):
        source = _source(path, at_once)
        known = recognize(source, normalize, classes)
        try:
            with torch.device("meta"):
                network = build(**known.description)
        except ValueError as error:
            if normalize is not None:
                raise
            raise ValueError(f"{path} must hold a network that can be built; {error}") from error
        check_parameters(source, network, unscored=known.unscored)
        state, report = fit(source, network, known.unscored)
        card = {
            "format": 1,
            "network": network.description,
            "imported": path.name,
            "unscored": known.unscored,
            "loss": "mean" if known.description["backbone"]["name"] == "caffenet" else "sum",
            "precision": PRECISION,
        }
        content = {
            "fcn_lightning": card,
            "state_dict": {PREFIX + name: value for name, value in state.items()},
            "global_step": 0,
        }
        torch.save(content, partial)
    return Imported(network.description, report, known.unscored)


def _source(path: Path, at_once: bool) -> Source:
    with path.open("rb") as file:
        torchs = file.read(4).startswith(TORCHS)
    if torchs:
        return pth.source(path, at_once=at_once)
    if at_once:
        raise ValueError(
            "`at_once` must be left out for a .caffemodel, whose layers say it; got it with "
            f"{path}."
        )
    return caffes(path)
