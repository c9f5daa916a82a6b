"""Which network a file of weights is of: from layers to the description that `build` takes.

Source: shelhamer/fcn.berkeleyvision.org net.py of each network; BVLC/caffe models.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fcn_lightning.models.surgery import bilinear_kernel
from fcn_lightning.weights.source import Source, summary
from fcn_lightning.weights.trunks import backbone_of, family_of, suffixes

OF_CLASSES = {40: "nyud_color", 60: "pascal_context"}
"""Normalization by the number of classes; that of ImageNet's networks for all others."""

OF_MODALITIES = {"color": "nyud_color", "depth": "nyud_depth", "hha": "nyud_hha"}

BILINEAR_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Recognized:
    """A network's description; `unscored` where the file holds no scoring layers."""

    description: dict[str, Any]
    unscored: bool


def recognize(source: Source, normalize: str | None, classes: int | None) -> Recognized:
    """Tells the network from its layers, widths and classes from their shapes.

    Args:
        source: The file's content.
        normalize: Normalization other than the one that follows from the network.
        classes: Classes to score, where the file is a classifier's; 21 by default.

    Raises:
        ValueError: It is none of the networks that are known, or an option does not fit it.
    """
    family, trunks = family_of(source)
    backbone = backbone_of(source, family, trunks)
    heads = suffixes(source, "score_fr")
    unscored = not heads
    if not unscored and classes is not None:
        raise ValueError(
            "`classes` must be left out where the file scores its own; "
            f"{source.path} has {summary([f'score_fr{head}' for head in heads])}."
        )
    head = {"name": "skip"} if unscored else _head(source, heads[0])
    num_classes = (classes or 21) if unscored else _num_classes(source, heads, trunks)
    normalizations, fusion = _normalizations(source, trunks, num_classes, unscored)
    if normalize is not None and fusion is not None:
        raise ValueError(
            f"`normalize` must be left out where a network has several modalities; {source.path} "
            f"has {', '.join(normalizations)}."
        )
    description = {
        "backbone": backbone,
        "head": head,
        "num_classes": num_classes,
        "normalize": normalize or (normalizations if fusion else normalizations[""]),
        "fusion": fusion,
    }
    return Recognized(description, unscored)


def _head(source: Source, suffix: str) -> dict[str, Any]:
    found = re.findall(
        rf"^score_(pool\d+){re.escape(suffix)}$", "\n".join(source.layers), flags=re.MULTILINE
    )
    skips = sorted(found, reverse=True)
    head: dict[str, Any] = {"name": "skip", "skips": skips, "upscore": _upscore(source)}
    scales = [source.scales.get(f"scale_{skip}{suffix}", 1.0) for skip in skips]
    return head | ({"scales": scales} if any(scale != 1 for scale in scales) else {})


def _upscore(source: Source) -> str:
    """Which upscore layers differ from bilinear interpolation: none, or not the last, or all."""
    weights = {n: w for n, w in source.weights.items() if n.startswith("upscore")}
    learned = {name for name, weight in weights.items() if not _bilinear(weight)}
    largest = max((weight.shape[-1] for weight in weights.values()), default=0)
    if not learned:
        return "fixed"
    last = {name for name, weight in weights.items() if weight.shape[-1] == largest}
    return "all" if learned & last else "learned"


def _bilinear(weight: Tensor) -> bool:
    """Whether each class is interpolated, and goes to no other class."""
    if weight.ndim != 4 or weight.shape[0] != weight.shape[1]:
        return False
    expected = torch.zeros_like(weight)
    expected[range(len(weight)), range(len(weight))] = bilinear_kernel(weight.shape[-1])
    return bool((weight - expected).abs().max() <= BILINEAR_TOLERANCE)


def _num_classes(source: Source, heads: list[str], trunks: list[str]) -> int | dict[str, int]:
    counts = {suffix: source.weight(f"score_fr{suffix}").shape[0] for suffix in heads}
    if heads == trunks and len(set(counts.values())) == 1:
        return counts[heads[0]]
    if trunks == [""] and all(suffix.startswith("_") for suffix in heads):
        return {suffix[1:]: count for suffix, count in counts.items()}
    raise ValueError(
        f"{source.path} must have one head, or several on one trunk, or one for each trunk of the "
        f"same classes; it has {', '.join(f'score_fr{s} of {n}' for s, n in counts.items())}."
    )


def _normalizations(
    source: Source, trunks: list[str], num_classes: int | Mapping[str, int], unscored: bool
) -> tuple[dict[str, str], str | None]:
    """The normalization of each modality, and how they are fused."""
    early = [name for name in source.layers if name.startswith("conv1_1_bgrd")]
    fusion = "late" if trunks != [""] else "early" if early else None
    if source.normalize and ("" in source.normalize) == (fusion is None):
        return dict(source.normalize), fusion
    if fusion:
        modalities = trunks if fusion == "late" else ["color", "depth"]
        unknown = [name for name in modalities if name not in OF_MODALITIES]
        if unknown:
            raise ValueError(
                f"{source.path} must have trunks of {', '.join(OF_MODALITIES)}; it has "
                f"{', '.join(unknown)}."
            )
        return {name: OF_MODALITIES[name] for name in modalities}, fusion
    if isinstance(num_classes, Mapping):
        return {"": "siftflow" if {*num_classes} == {"sem", "geo"} else "caffe"}, None
    if source.hha:
        return {"": "nyud_hha"}, None
    return {"": "caffe" if unscored else OF_CLASSES.get(num_classes, "caffe")}, None
