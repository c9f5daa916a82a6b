"""Every map of a network by the name that Caffe's blob has."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from fcn_lightning.fidelity.images import moved
from fcn_lightning.models import FCN, LateFusion, SkipHead
from fcn_lightning.models.backbones.googlenet import Inception
from fcn_lightning.models.fusion import EarlyFusion, Heads

Blobs = dict[str, Tensor]

COPY = re.compile(r"(?P<blob>.+)_.+_\d+_split_\d+")
"""Caffe's own copies of a blob that several layers take: `data_data_0_split_1` of `data`."""


def blobs_of(
    network: FCN | LateFusion,
    image: Tensor | Mapping[str, Tensor],
    device: str | torch.device = "cpu",
) -> Blobs:
    """The maps of a forward pass on a device, (1, c, h, w) each, by Caffe's names; on the CPU.

    A convolution's is the one after its ReLU, which Caffe applies in place; `data` is the
    normalized image (each modality's by its own name); `score_pool4c` is what of `score_pool4`
    meets `upscore2`, and `fuse_pool4` their sum; `inception_3a/output` is a block's.
    """
    blobs: Blobs = {}
    handles: list[RemovableHandle] = []
    networks: dict[str, nn.Module] = {"data": network}
    if late := isinstance(network, LateFusion):
        networks = dict(network.branches.items())
    for name, part in networks.items():
        assert isinstance(part, FCN)
        handles += [part.backbone.register_forward_pre_hook(_inputs(blobs, name))]
        handles += _watch_trunk(part.backbone, blobs) + _watch_early(part.normalize, blobs)
        for head in _heads(part):
            handles += _watch_head(head, blobs, late=late)
    shared = _heads(next(iter(networks.values())))[0] if late else None
    if shared is not None:
        handles.append(_watch_shared(shared, blobs))
    try:
        with torch.no_grad():
            score = network.to(device)(moved(image, device))
    finally:
        for handle in handles:
            handle.remove()
    for head in (head for part in networks.values() for head in _heads(part)):
        _add_cropped(head, blobs)
    several = score if isinstance(score, dict) else {"": score}
    blobs |= {f"score_{head}" if head else "score": value for head, value in several.items()}
    if shared is not None:
        blobs[list(shared.crops)[-1]] = blobs.pop(list(shared.crops)[-1] + shared.suffix)
    return {name: blob.cpu() for name, blob in blobs.items()}


def blob_named(name: str, blobs: Mapping[str, Any]) -> str | None:
    """The blob that a name or the name of a copy stands for; None where there is none."""
    while name not in blobs:
        match = COPY.fullmatch(name)
        candidates = [blob for blob in blobs if match and name.startswith(f"{blob}_")]
        if not candidates:
            return None
        name = max(candidates, key=len)
    return name


def _heads(network: nn.Module) -> list[SkipHead]:
    assert isinstance(network, FCN)
    heads = network.head.heads.values() if isinstance(network.head, Heads) else [network.head]
    return [head for head in heads if isinstance(head, SkipHead)]


def _outputs(blobs: Blobs, name: str) -> Callable[..., None]:
    def keep(layer: nn.Module, inputs: Any, output: Tensor) -> None:
        blobs[name] = output

    return keep


def _inputs(blobs: Blobs, name: str) -> Callable[..., None]:
    def keep(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        blobs[name] = inputs[0]

    return keep


def _watch_trunk(backbone: nn.Module, blobs: Blobs) -> list[RemovableHandle]:
    handles, convolution = [], ""
    for name, layer in backbone.named_children():
        if isinstance(layer, nn.Conv2d):
            convolution = name
        elif isinstance(layer, Inception):
            handles += _watch_inception(name, layer, blobs)
        elif not isinstance(layer, nn.Dropout):
            blob = convolution if isinstance(layer, nn.ReLU) else name
            handles.append(layer.register_forward_hook(_outputs(blobs, blob)))
    return handles


def _watch_inception(name: str, block: Inception, blobs: Blobs) -> list[RemovableHandle]:
    """Convolutions' outputs are kept as they are after the ReLU: the block applies it in place."""
    named = {"pool": f"{name}/pool", "": f"{name}/output"}
    return [
        layer.register_forward_hook(_outputs(blobs, named.get(own_name, own_name)))
        for own_name, layer in block.named_modules()
    ]


def _watch_early(normalize: nn.Module, blobs: Blobs) -> list[RemovableHandle]:
    if not isinstance(normalize, EarlyFusion):
        return []
    return [
        part.register_forward_hook(_outputs(blobs, name))
        for name, part in normalize.modalities.items()
    ]


def _watch_head(head: SkipHead, blobs: Blobs, *, late: bool) -> list[RemovableHandle]:
    """Late fusion's last upscore layer takes the mean of two heads' sums, and not its own."""
    handles = [
        layer.register_forward_hook(_outputs(blobs, name)) for name, layer in head.named_children()
    ]
    for skip, scale in zip(head.skips, head.scales, strict=True):
        if scale != 1:
            score = head.get_submodule(f"score_{skip}{head.suffix}")
            handles.append(score.register_forward_pre_hook(_inputs(blobs, f"scale_{skip}")))
    upscored = zip(head.skips, list(head.crops)[1:], strict=True)
    for skip, upscore in list(upscored)[: -1 if late else None]:
        layer = head.get_submodule(upscore + head.suffix)
        fused = f"fuse_{skip}{head.suffix}"
        handles.append(layer.register_forward_pre_hook(_inputs(blobs, fused)))
    return handles


def _add_cropped(head: SkipHead, blobs: Blobs) -> None:
    """Adds what of each skip's score meets the upscored map, and the sum that no layer takes."""
    for skip, (upscore, (_, begin)) in zip(head.skips, head.crops.items()):
        score, (h, w) = f"score_{skip}{head.suffix}", blobs[upscore + head.suffix].shape[2:]
        blobs[f"{score}c"] = blobs[score][:, :, begin : begin + h, begin : begin + w]
        if (fused := f"fuse_{skip}{head.suffix}") not in blobs:
            blobs[fused] = blobs[upscore + head.suffix] + blobs[f"{score}c"]


def _watch_shared(head: SkipHead, blobs: Blobs) -> RemovableHandle:
    """Two networks' scores meet before the one upscore layer, which stands in the first network."""
    upscore = head.get_submodule(list(head.crops)[-1] + head.suffix)
    return upscore.register_forward_pre_hook(_inputs(blobs, "score_fused"))
