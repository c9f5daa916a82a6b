"""Forward passes: images and labels in, and every map by the name of its Caffe blob out."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook

from fcn_lightning.losses import softmax_loss
from fcn_lightning.models import FCN, LateFusion, SkipHead
from fcn_lightning.models.backbones import Chain
from fcn_lightning.models.backbones.googlenet import Inception
from fcn_lightning.models.skip import FixedUpscore
from fidelity.cases import Case
from fidelity.reference import Model

Blobs = dict[str, Tensor]

LAYERS = (nn.Conv2d, nn.ConvTranspose2d, FixedUpscore, nn.MaxPool2d, nn.LocalResponseNorm)
"""Layers whose maps are blobs. ReLUs change a convolution's map in place, as in Caffe."""


def examples(case: Case, model: Model, image: str, label: str) -> list[Blobs]:
    """Images (1, c, h, w) and labels (1, h, w) in order, by the forms of their keys.

    A form is "in{i}/{name}", with the names of modalities and heads. Images are RGB in bytes, or
    normalized in float32.
    """
    labels = [name for name, _, _ in model.targets]
    numbered = label.format(name=labels[0], i=r"\d+")
    found: list[Blobs] = []
    for i in range(sum(bool(re.fullmatch(numbered, key)) for key in case.values) or 1):
        images = {name: _image(case, image.format(name=name, i=i)) for name in model.inputs}
        size = next(iter(images.values())).shape[2:]
        found.append(images | {n: _label(case, label.format(name=n, i=i), size) for n in labels})
    return found


def scored(network: FCN | LateFusion, model: Model, example: Blobs) -> Blobs:
    """The scores and losses of an example, on the network's device and in its precision."""
    like = next(network.parameters())
    x = {n: b.to(like) if b.is_floating_point() else b.to(like.device) for n, b in example.items()}
    scores = network({n: x[n] for n in model.inputs} if model.fusion else x["data"])
    blobs: Blobs = {}
    for (label, name, loss), score in zip(
        model.targets, scores.values() if model.heads else [scores]
    ):
        blobs |= {name: score, loss: softmax_loss(score, x[label], model.loss)[0]}
    return blobs


def blobs_of(network: FCN | LateFusion, model: Model, example: Blobs, device: str) -> Blobs:
    """The blobs of a forward pass on a device; on the CPU.

    `data` is the normalized image (each modality has its own name), `inception_3a/output` a
    block's map, `scale_pool4` what `score_pool4` reads, `score_pool4c` the part of its map that
    meets `upscore2`, and `fuse_pool4` their sum. Scores and losses are those of a second pass, with
    the narrow border with which networks are used.
    """
    blobs: Blobs = {}
    names = {layer: name for path, layer in network.named_modules() if (name := _name(path, layer))}
    heads = [head for head in network.modules() if isinstance(head, SkipHead)]
    reads = {layer: name for head in heads for layer, name in _reads(head).items()}
    if isinstance(network, LateFusion):  # the first network holds the one last upscore layer
        last = list(heads[0].crops)[-1]
        shared = heads[0].get_submodule(last + heads[0].suffix)
        names[shared], reads[shared] = last, "score_fused"

    def keep(layer: nn.Module, inputs: Any, output: Any) -> None:
        if layer in reads:
            blobs[reads[layer]] = inputs[0]
        if layer in names:
            blobs[names[layer]] = output

    chains = [module for module in network.to(device).modules() if isinstance(module, Chain)]
    with torch.no_grad():
        for chain in chains:
            chain.narrow_border = False  # layers then make Caffe's blobs
        with register_module_forward_hook(keep):
            scored(network, model, example)
        for chain in chains:
            chain.narrow_border = True
        blobs |= scored(network, model, example)
    for head in heads:
        _add_cropped(head, blobs)
    blobs |= {label: example[label][:, None] for label, _, _ in model.targets}
    return {name: blob.cpu() for name, blob in blobs.items()}


def blob(case: Case, blobs: Blobs, name: str) -> Tensor:
    """A blob, also by the name of a copy, which Caffe makes for several readers.

    `data_data_0_split_1` is a copy of `data`.
    """
    if re.search(r"_\d+_split_\d+$", name):
        name = max((b for b in blobs if name.startswith(f"{b}_")), key=len, default=name)
    if name not in blobs:
        raise case.misfit(f"holds the unknown blob `{name}`; its network has {', '.join(blobs)}")
    return blobs[name]


def _image(case: Case, key: str) -> Tensor:
    values = case[key]
    maps = values.transpose(2, 0, 1) if values.dtype == np.uint8 else values.astype(np.float32)
    _, h, w = maps.shape
    if case.size not in ("", f"{h}x{w}"):
        raise case.misfit(f"holds `{key}` of {h}x{w} pixels; its name says {case.size}")
    return torch.from_numpy(maps)[None]


def _label(case: Case, key: str, size: tuple[int, ...]) -> Tensor:
    values = case[key]
    if values.shape != size or values.dtype.kind not in "ui":
        raise case.misfit(f"holds `{key}` as {values.dtype} {values.shape}; its image is {size}")
    return torch.from_numpy(values)[None]


def _name(path: str, layer: nn.Module) -> str | None:
    """The blob that a layer makes, by its path in the network."""
    parent, name = ["", *path.split(".")][-2:]
    if name == "normalize":
        return parent or "data"
    if isinstance(layer, Inception):
        return f"{name}/output"
    if name == "pool":
        return f"{parent}/pool"
    return name if isinstance(layer, LAYERS) or parent == "modalities" else None


def _reads(head: SkipHead) -> dict[nn.Module, str]:
    """The blobs that no layer makes, by the layers that read them."""
    scaled = [skip for skip, scale in zip(head.skips, head.scales) if scale != 1]
    reads = {f"score_{skip}": f"scale_{skip}" for skip in scaled}
    reads |= {name: f"fuse_{skip}" for name, skip in zip(list(head.crops)[1:], head.skips)}
    return {head.get_submodule(n + head.suffix): b + head.suffix for n, b in reads.items()}


def _add_cropped(head: SkipHead, blobs: Blobs) -> None:
    """Add the cropped scores, and in late fusion the last sum, which no layer reads."""
    for skip, (name, (_, begin)) in zip(head.skips, head.crops.items()):
        score, upscored = f"score_{skip}{head.suffix}", blobs[name + head.suffix]
        h, w = upscored.shape[2:]
        cropped = blobs[score][:, :, begin : begin + h, begin : begin + w]
        blobs[f"{score}c"] = cropped
        blobs.setdefault(f"fuse_{skip}{head.suffix}", upscored + cropped)
