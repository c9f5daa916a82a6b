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
from torch.nn.modules.module import _has_any_global_hook

from fcn_lightning.models.backbones.border import convolved
from fcn_lightning.models.backbones.cpu.eager import eager_on_cpu
from fcn_lightning.models.backbones.cpu.winograd import WinogradConv2d
from fcn_lightning.models.geometry import Window, window_of

ROWS = 16
"""Of the output. The maps of VGG-16's first stage then take 4 MB each."""

LAYERS = (nn.Conv2d, WinogradConv2d, nn.MaxPool2d, nn.ReLU, nn.LocalResponseNorm)
"""Types of layers that may be computed so; a class derived from one may do something else."""


def fits_strips(layers: Sequence[nn.Module], x: Tensor) -> bool:
    """True if a CPU computes these layers without gradients, and no hook awaits a whole map."""
    hooked = _has_any_global_hook()  # type: ignore[no-untyped-call]
    if torch.is_grad_enabled() or hooked or not eager_on_cpu(x):
        return False
    if not isinstance(layers[0], nn.Conv2d):
        return False
    try:
        return all(map(_gives_rows, layers, _windows(layers)))
    except TypeError:  # another type, or a window that is not square
        return False


def _gives_rows(layer: nn.Module, window: Window | None) -> bool:
    """True for a layer that makes rows of its map from some rows of its input."""
    if type(layer) not in LAYERS or layer._forward_hooks or layer._forward_pre_hooks:
        return False
    if window is None:
        return True
    if isinstance(layer, nn.Conv2d):
        return window.pad < window.kernel and layer.padding_mode == "zeros"
    return window.pad == 0 and window.stride <= window.kernel


def _windows(layers: Sequence[nn.Module]) -> list[Window | None]:
    """The windows of layers, on a map that has the padding of the first one already."""
    first, *others = map(window_of, layers)
    return [first and replace(first, pad=0), *others]


def in_strips(layers: Sequence[nn.Module], x: Float[Tensor, "n c h w"]) -> Tensor:
    """The output of layers, of which the first is a convolution whose padding `x` has already."""
    windows = _windows(layers)
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
        return convolved(layer, read, (0, window.pad))

    height = heights[-1]
    tops = range(0, height, ROWS)
    return torch.cat([rows(len(layers), top, min(top + ROWS, height)) for top in tops], dim=2)
