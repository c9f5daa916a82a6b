"""The skip head as layers of Caffe: score, upscore, crop, fuse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import Tensor, nn

from fcn_lightning.models import SkipHead
from fcn_lightning.models.fusion import Heads
from fcn_lightning.models.skip import FixedUpscore, learned_upscore
from fcn_lightning.weights.caffe.layers import (
    Deploy,
    add_convolution,
    add_crop,
    add_deconvolution,
    add_scale,
)


def each(head: nn.Module) -> Iterator[SkipHead]:
    """The one head, or the several on one trunk."""
    for one in head.heads.values() if isinstance(head, Heads) else [head]:
        assert isinstance(one, SkipHead)
        yield one


def add_fused(net: Deploy, head: SkipHead, maps: Mapping[str, str]) -> str:
    """Adds all streams of a head and their sum; returns that one's name."""
    *between, _ = head.crops.items()
    score = _score(net, head, "fr", maps[head.last])
    for (name, crops), skip, scale in zip(between, head.skips, head.scales, strict=True):
        upscored = _upscore(net, head, name, score, name + head.suffix)
        below = maps[skip]
        if scale != 1:
            channels = _scoring(head, skip).in_channels
            below = add_scale(net, f"scale_{skip}{head.suffix}", below, scale, channels)
        scored = _score(net, head, skip, below)
        streams = _cropped(net, upscored, scored, *crops)
        summed = {"operation": "SUM"}
        fused = f"fuse_{skip}{head.suffix}"
        score = net.add("Eltwise", fused, streams, eltwise_param=summed)
    return score


def add_upscored(
    net: Deploy, head: SkipHead, score: str, data: str, suffix: str | None = None
) -> str:
    """Adds what brings the fused scores to the image `data`."""
    suffix = head.suffix if suffix is None else suffix
    name, (begin, _) = list(head.crops.items())[-1]
    upscored = _upscore(net, head, name, score, name + suffix)
    return add_crop(net, f"score{suffix}", upscored, data, begin)


def _cropped(
    net: Deploy, upscored: str, scored: str, crop_upscored: int, crop_scored: int
) -> tuple[str, str]:
    """Both streams, of which the one that begins earlier is cropped to the other one."""
    if crop_upscored:
        return add_crop(net, f"{upscored}c", upscored, scored, crop_upscored), scored
    return upscored, add_crop(net, f"{scored}c", scored, upscored, crop_scored)


def _scoring(head: SkipHead, endpoint: str) -> nn.Conv2d:
    layer = head.get_submodule(f"score_{endpoint}{head.suffix}")
    assert isinstance(layer, nn.Conv2d)
    return layer


def _score(net: Deploy, head: SkipHead, endpoint: str, bottom: str) -> str:
    layer = _scoring(head, endpoint)
    return add_convolution(net, layer, f"score_{endpoint}{head.suffix}", bottom)


def _upscore(net: Deploy, head: SkipHead, name: str, score: str, own_name: str) -> str:
    layer = head.get_submodule(name + head.suffix)
    weight, factor = _dense(layer)
    return add_deconvolution(net, weight, factor, own_name, score)


def _dense(layer: nn.Module) -> tuple[Tensor, int]:
    """An upscore layer's weight from every class to every class, and its factor."""
    if isinstance(layer, FixedUpscore):
        side = layer.get_buffer("kernel").shape[-1]
        return learned_upscore(layer.num_classes, side, layer.factor).weight, layer.factor
    assert isinstance(layer, nn.ConvTranspose2d)
    return layer.weight, layer.stride[0]
