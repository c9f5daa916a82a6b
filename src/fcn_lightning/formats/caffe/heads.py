"""The skip head as layers of Caffe: score, upscore, crop, fuse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import Tensor, nn

from fcn_lightning.formats.caffe.layers import (
    Deploy,
    add_convolution,
    add_crop,
    add_deconvolution,
    add_scale,
)
from fcn_lightning.models import SkipHead
from fcn_lightning.models.fusion import Heads
from fcn_lightning.models.skip import FixedUpscore, learned_upscore


def each(head: nn.Module) -> Iterator[SkipHead]:
    """Yield the only head, or each of several heads."""
    for one in head.heads.values() if isinstance(head, Heads) else [head]:
        assert isinstance(one, SkipHead)
        yield one


def add_fused(net: Deploy, head: SkipHead, maps: Mapping[str, str]) -> str:
    """Add a head's streams and fuse them; return the name of the result."""
    *between, _ = head.crops.items()
    score = _score(net, head, head.coarsest, maps[head.last])
    for (name, crops), skip, scale in zip(between, head.skips, head.scales, strict=True):
        upscored = _upscore(net, head, name, score, name + head.suffix)
        scored = _score(net, head, skip, maps[skip], scale)
        streams = _cropped(net, upscored, scored, *crops)
        fused = f"fuse_{skip}{head.suffix}"
        score = net.add("Eltwise", fused, streams, eltwise_param={"operation": head.fuse.upper()})
    return score


def add_upscored(
    net: Deploy, head: SkipHead, score: str, data: str, suffix: str | None = None
) -> str:
    """Add the layers from the fused scores to scores for every pixel of the image `data`."""
    suffix = head.suffix if suffix is None else suffix
    name, (begin, _) = list(head.crops.items())[-1]
    upscored = _upscore(net, head, name, score, name + suffix)
    return add_crop(net, f"score{suffix}", upscored, data, begin)


def _cropped(
    net: Deploy, upscored: str, scored: str, crop_upscored: int, crop_scored: int
) -> tuple[str, str]:
    """Both streams; the one that begins earlier is cropped to the other."""
    if crop_upscored:
        return add_crop(net, f"{upscored}c", upscored, scored, crop_upscored), scored
    return upscored, add_crop(net, f"{scored}c", scored, upscored, crop_scored)


def _score(net: Deploy, head: SkipHead, endpoint: str, bottom: str, scale: float = 1) -> str:
    name = endpoint + head.suffix
    layer = head.get_submodule(f"score_{name}")
    assert isinstance(layer, nn.Conv2d)
    if scale != 1:
        bottom = add_scale(net, f"scale_{name}", bottom, scale, layer.in_channels)
    return add_convolution(net, layer, f"score_{name}", bottom)


def _upscore(net: Deploy, head: SkipHead, name: str, score: str, caffe_name: str) -> str:
    weight, factor = _dense(head.get_submodule(name + head.suffix))
    return add_deconvolution(net, weight, factor, caffe_name, score)


def _dense(layer: nn.Module) -> tuple[Tensor, int]:
    """An upscore layer's weight from every class to every class, and its factor."""
    if isinstance(layer, FixedUpscore):
        side = layer.get_buffer("kernel").shape[-1]
        return learned_upscore(layer.num_classes, side, layer.factor).weight, layer.factor
    assert isinstance(layer, nn.ConvTranspose2d)
    return layer.weight, layer.stride[0]
