"""Networks from golden weights, and the weights that the importer reads."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fcn_lightning.formats import read_checkpoint
from fcn_lightning.formats.imports import import_file
from fcn_lightning.models import FCN, LateFusion, build, transplant
from fcn_lightning.models.backbones.googlenet import INCEPTIONS
from fcn_lightning.models.normalize import Normalize
from fidelity.cases import Case
from fidelity.compare import Pair, Row, compare
from fidelity.reference import MODELS

BRANCHES = ("1x1", "3x3_reduce", "3x3", "5x5_reduce", "5x5", "pool_proj")
FC = ["fc6", "fc7"]
WIDTHS: dict[str, dict[str, Any]] = {
    "vgg16": {"widths": [f"conv{i}_2" for i in range(1, 6)], "fc_widths": FC},
    "caffenet": {"widths": [f"conv{i}" for i in range(1, 6)], "fc_widths": FC},
    "googlenet": {
        "stem": ["conv1/7x7_s2", "conv2/3x3_reduce", "conv2/3x3"],
        "inceptions": [[f"inception_{i}/{branch}" for branch in BRANCHES] for i in INCEPTIONS],
    },
}
"""The layers whose channels are the widths of a backbone, by its arguments."""


def network_of(case: Case, prefix: str = "", *, dense: bool = False) -> FCN | LateFusion:
    """The network of a file's model, with the weights under a prefix; each must have its layer.

    Upscore layers are fixed bilinear ones. They are dense, from every class to every class, where
    the file holds their weights or `dense` asks for it.
    """
    model, weights = MODELS[case.model], case.under(prefix)
    dense = dense or any(name.startswith("upscore") for name in weights)
    # Late fusion: the first network holds the one last upscore layer.
    late = next(iter(model.inputs)) if model.fusion == "late" else ""
    weights = {re.sub(r"^(upscore\d*)\.", rf"\1{late}.", name): w for name, w in weights.items()}
    network = _built(case, prefix, late, dense=dense)
    done = transplant(network, {name: torch.from_numpy(w) for name, w in weights.items()})
    if missing := [name for name in done.missing if not name.startswith("upscore")]:
        raise case.misfit(f"lacks {', '.join(missing)} of {case.model}")
    if set(done.left_out) - {f"scale_{skip}.weight" for skip in model.skips if model.at_once}:
        raise case.misfit(f"holds {', '.join(done.left_out)}, which {case.model} has not")
    return network.eval()


def parameters_of(network: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters by their layers' own names: `fc6.weight`."""
    return {".".join(path.split(".")[-2:]): p for path, p in network.named_parameters()}


def without_normalization(network: FCN | LateFusion) -> FCN | LateFusion:
    """The same network, changed to take images that are normalized already."""
    for path, layer in list(network.named_modules()):
        if isinstance(layer, Normalize):
            network.set_submodule(path, nn.Identity())
    return network


def check_weights(case: Case, device: str) -> list[Row]:
    """Compare each layer of the network with the weights of its name."""
    layers = parameters_of(network_of(case)).items()
    pairs = [Pair(name, ours.detach(), case[name]) for name, ours in layers if name in case.values]
    return compare(case.title, "{} weights and biases in their places", 0.0, pairs)


def check_caffemodel(case: Case, device: str) -> list[Row]:
    """Compare the imported network's parameters with those of the weights file, bit for bit.

    A file that the importer refuses is infinitely far off.
    """
    golden = dict(network_of(case.weights).named_parameters())
    what = "{} imported parameters: values of other bits"
    with tempfile.TemporaryDirectory() as folder:
        plain, checkpoint = Path(folder) / case.path.stem, Path(folder) / "imported.ckpt"
        plain.write_bytes(case[""])
        try:
            import_file(plain, checkpoint)
        except ValueError as error:
            why = str(error).replace(str(plain), plain.name)
            return [Row(case.title, what.format(len(golden)), np.inf, 0.0, ok=False, where=why)]
        ours = dict(read_checkpoint(checkpoint).network().named_parameters())
    pairs = [Pair(name, _other_bits(ours.get(name), golden.get(name)), 0) for name in golden | ours]
    return compare(case.title, what, 0.0, pairs)


def _other_bits(ours: Tensor | None, golden: Tensor | None) -> float:
    """How many float32 values differ in a bit."""
    if ours is None or golden is None or ours.shape != golden.shape:
        return np.inf
    return float((ours.view(torch.int32) != golden.view(torch.int32)).sum())


def _built(case: Case, prefix: str, late: str, *, dense: bool) -> FCN | LateFusion:
    """The network of a file's model, with the widths and classes of its weights."""
    model = MODELS[case.model]

    def width(layer: Any) -> Any:
        if isinstance(layer, list):
            return [width(one) for one in layer]
        return len(case[f"{prefix}{layer}{late}.weight"])

    widths = {name: width(layers) for name, layers in WIDTHS[model.backbone].items()}
    scaled = [f"{prefix}scale_{skip}.weight" for skip in model.skips if model.at_once]
    scales = [np.unique(case[key]).item() for key in scaled]
    upscore = "all" if dense else "fixed"
    network = build(
        backbone={"name": model.backbone, **widths},
        head={"skips": model.skips, "scales": scales or None, "upscore": upscore},
        num_classes={head: width(f"score_fr_{head}") for head in model.heads} or width("score_fr"),
        normalize=model.inputs if model.fusion else model.inputs["data"],
        fusion=model.fusion,
    )
    assert isinstance(network, FCN | LateFusion)
    return network
