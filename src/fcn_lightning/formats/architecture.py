"""Identifies the network of a weight file: from its layers to the description that `build` takes.

Source: shelhamer/fcn.berkeleyvision.org net.py of each network; BVLC/caffe models.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from fcn_lightning.formats.backbone import backbone_of, family_of, suffixes
from fcn_lightning.formats.foreign import ForeignWeights, summary
from fcn_lightning.models.skip import learned_upscore

NORMALIZATION_OF_CLASSES = {40: "nyud_color", 60: "pascal_context"}
"""By the number of classes; other networks have ImageNet's mean."""

NORMALIZATION_OF_MODALITY = {"color": "nyud_color", "depth": "nyud_depth", "hha": "nyud_hha"}

BILINEAR_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Architecture:
    """The arguments of `build`; `unscored` if the file holds no scoring layers."""

    description: dict[str, Any]
    unscored: bool


def architecture_of(
    source: ForeignWeights, normalize: str | None, classes: int | None
) -> Architecture:
    """Identify a network by the names of its layers, and widths and classes by their shapes.

    Args:
        source: The file's content.
        normalize: Overrides the normalization of the network.
        classes: The number of classes that a classifier is to score, 21 by default.

    Raises:
        ValueError: The network is not supported, or an argument does not apply to it.
    """
    family, backbones = family_of(source)
    backbone = backbone_of(source, family, backbones)
    heads = suffixes(source, "score_fr")
    unscored = not heads
    if not unscored and classes is not None:
        raise ValueError(
            f"`classes` applies to classifiers; {source.path} has scoring layers "
            f"({summary([f'score_fr{head}' for head in heads])}). Omit it."
        )
    head = {"name": "skip"} if unscored else _head(source, heads[0])
    num_classes = (classes or 21) if unscored else _num_classes(source, heads, backbones)
    normalizations, fusion = _normalizations(source, backbones, num_classes, unscored)
    if normalize is not None and fusion is not None:
        raise ValueError(
            f"`normalize` applies to networks of one modality; {source.path} has "
            f"{', '.join(normalizations)}. Omit it."
        )
    description = {
        "backbone": backbone,
        "head": head,
        "num_classes": num_classes,
        "normalize": normalize or (normalizations if fusion else normalizations[""]),
        "fusion": fusion,
    }
    return Architecture(description, unscored)


def _head(source: ForeignWeights, suffix: str) -> dict[str, Any]:
    found = re.findall(
        rf"^score_(pool\d+){re.escape(suffix)}$", "\n".join(source.layers), flags=re.MULTILINE
    )
    skips = sorted(found, reverse=True)
    head: dict[str, Any] = {"name": "skip", "skips": skips, "upscore": _upscore(source)}
    scales = [source.scales.get(f"scale_{skip}{suffix}", 1.0) for skip in skips]
    return head | ({"scales": scales} if any(scale != 1 for scale in scales) else {})


def _upscore(source: ForeignWeights) -> str:
    """Return "fixed" if all upscore layers are bilinear, "learned" if only the last one is."""
    weights = {n: w for n, w in source.weights.items() if n.startswith("upscore")}
    learned = {name for name, weight in weights.items() if not _is_bilinear(weight)}
    largest = max((weight.shape[-1] for weight in weights.values()), default=0)
    if not learned:
        return "fixed"
    last = {name for name, weight in weights.items() if weight.shape[-1] == largest}
    return "all" if learned & last else "learned"


def _is_bilinear(weight: Tensor) -> bool:
    """True if each class is interpolated and contributes to no other class."""
    if weight.ndim != 4 or weight.shape[0] != weight.shape[1]:
        return False
    expected = learned_upscore(len(weight), weight.shape[-1], factor=1).weight
    return bool((weight - expected).abs().max() <= BILINEAR_TOLERANCE)


def _num_classes(
    source: ForeignWeights, heads: list[str], backbones: list[str]
) -> int | dict[str, int]:
    counts = {suffix: source.weight(f"score_fr{suffix}").shape[0] for suffix in heads}
    if heads == backbones and len(set(counts.values())) == 1:
        return counts[heads[0]]
    if backbones == [""] and all(suffix.startswith("_") for suffix in heads):
        return {suffix[1:]: count for suffix, count in counts.items()}
    raise ValueError(
        f"{source.path} has the scoring layers "
        f"{', '.join(f'score_fr{s} ({n} classes)' for s, n in counts.items())}. Supported are one "
        "head, several heads on one backbone, and one head of the same classes for each modality."
    )


def _normalizations(
    source: ForeignWeights,
    backbones: list[str],
    num_classes: int | Mapping[str, int],
    unscored: bool,
) -> tuple[dict[str, str], str | None]:
    """The normalization of each modality, and how the modalities are fused."""
    early = [name for name in source.layers if name.startswith("conv1_1_bgrd")]
    fusion = "late" if backbones != [""] else "early" if early else None
    if source.normalize and ("" in source.normalize) == (fusion is None):
        return dict(source.normalize), fusion
    if fusion:
        modalities = backbones if fusion == "late" else ["color", "depth"]
        unknown = [name for name in modalities if name not in NORMALIZATION_OF_MODALITY]
        if unknown:
            raise ValueError(
                f"{source.path} has the modalities {', '.join(modalities)}; supported are "
                f"{', '.join(NORMALIZATION_OF_MODALITY)}."
            )
        return {name: NORMALIZATION_OF_MODALITY[name] for name in modalities}, fusion
    if isinstance(num_classes, Mapping):
        return {"": "siftflow" if {*num_classes} == {"sem", "geo"} else "caffe"}, None
    if source.hha:
        return {"": "nyud_hha"}, None
    of_classes = "caffe" if unscored else NORMALIZATION_OF_CLASSES.get(num_classes, "caffe")
    return {"": of_classes}, None
