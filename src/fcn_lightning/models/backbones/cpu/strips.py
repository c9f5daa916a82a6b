"""The first layers computed in strips of rows, so that their maps stay in a processor's cache.

conv1_1 and conv1_2 of VGG-16 make 51 MB each for an image of 375 x 500, most of which is read from
memory again a moment later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from fcn_lightning.models.backbones.cpu.eager import on_cpu
from fcn_lightning.models.geometry import window_of

ROWS = 16
"""Of the output. The maps of VGG-16's first stage then take 4 MB each."""


def fits_strips(layers: Sequence[nn.Module], x: Tensor) -> bool:
    """True without gradients on a CPU, for layers of which no hook awaits the whole map."""
    if not on_cpu(x) or torch.is_grad_enabled() or not isinstance(layers[0], nn.Conv2d):
        return False
    hooked = any(layer._forward_hooks or layer._forward_pre_hooks for layer in layers)
    return not hooked and all(
        isinstance(layer, nn.Conv2d) or (window := window_of(layer)) is None or window.pad == 0
        for layer in layers
    )


def in_strips(layers: Sequence[nn.Module], x: Float[Tensor, "n c h w"]) -> Tensor:
    """The output of convolutions, pooling layers without a pad, and pointwise layers.

    `x` has the padding of the first one already.
    """
    first, *others = map(window_of, layers)
    assert first is not None
    windows = [replace(first, pad=0), *others]
    heights = [*accumulate(windows, lambda h, w: w.out_size(h) if w else h, initial=x.shape[2])]

    def rows(n: int, top: int, end: int) -> Tensor:
        """Rows of the output of the first `n` layers."""
        if n == 0:
            return x[:, :, top:end]
        layer, window, height = layers[n - 1], windows[n - 1], heights[n - 1]
        if window is None:
            return layer(rows(n - 1, top, end))
        top = top * window.stride - window.pad
        end = (end - 1) * window.stride - window.pad + window.kernel
        read = rows(n - 1, max(top, 0), min(end, height))
        if not isinstance(layer, nn.Conv2d):
            return layer(read)
        read = F.pad(read, (0, 0, max(-top, 0), max(end - height, 0)))
        others = (0, window.pad), layer.dilation, layer.groups
        return F.conv2d(read, layer.weight, layer.bias, layer.stride, *others)

    height = heights[-1]
    tops = range(0, height, ROWS)
    return torch.cat([rows(len(layers), top, min(top + ROWS, height)) for top in tops], dim=2)
