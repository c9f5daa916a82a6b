"""Real `.caffemodel` files, read by the importer."""

from __future__ import annotations

import gzip
import shutil
import tempfile
from pathlib import Path

import numpy as np
from torch import nn

from fcn_lightning.fidelity.cases import Case
from fcn_lightning.fidelity.compare import Array, Comparison, Row
from fcn_lightning.fidelity.files import DAMAGED, damaged, read
from fcn_lightning.fidelity.networks import network_of
from fcn_lightning.models import Network
from fcn_lightning.weights import read_checkpoint
from fcn_lightning.weights.imports import import_file


def check_caffemodel(case: Case, weights: Case) -> list[Row]:
    """The imported network's parameters beside those of the weights file, bit for bit.

    A file that the importer refuses is infinitely far off: that is for it to take.

    Raises:
        ValueError: The file is not a whole gzip file, or the weights are of another network.
    """
    network = network_of(case.model, read(weights.path), weights.path)
    golden = dict(network.named_parameters())
    what = "{} imported parameters: values of other bits"
    try:
        ours = dict(_imported(case.path).named_parameters())
    except Refused as error:
        return [Row(case.title, what.format(len(golden)), float("inf"), 0.0, str(error))]
    comparison = Comparison(case.title, 0.0)
    for name in dict.fromkeys([*golden, *ours]):
        mine, its = (_bits(parameters.get(name)) for parameters in (ours, golden))
        comparison.add(name, (mine != its).sum() if mine.shape == its.shape else np.inf, 0)
    return [comparison.row(what)]


class Refused(Exception):  # noqa: N818
    """Why the importer does not take a file."""


def _bits(parameter: nn.Parameter | None) -> Array:
    """The bits of float32 numbers; none of a parameter that is not there."""
    return np.empty(0) if parameter is None else parameter.detach().numpy().view(np.int32)


def _imported(path: Path) -> Network:
    """The network that `fcn import` makes of a gzipped file."""
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / path.stem
        try:
            with gzip.open(path) as packed, plain.open("wb") as out:
                shutil.copyfileobj(packed, out)
        except DAMAGED as error:
            raise damaged(path, error) from error
        checkpoint = plain.with_suffix(".ckpt")
        try:
            import_file(plain, checkpoint)
        except ValueError as error:
            raise Refused(str(error).replace(str(plain), plain.name)) from error
        return read_checkpoint(checkpoint).network()
