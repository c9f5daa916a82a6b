"""Wide convolutions of 3 x 3 with fewer multiplications.

Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016, 4.1:
F(2 x 2, 3 x 3), whose matrices A, B and G have the same names here.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from fcn_lightning.models.backbones.cpu.eager import as_products

FEWEST_KERNELS = 2**15
"""Input times output channels. With fewer, additions take as long as multiplications save."""

FEWEST_POSITIONS = 2048
"""Pixels of a map. With fewer, transforming the kernels takes as long as it saves."""

TILES = 192
"""Tiles at a time: so few that what is computed of them stays in a processor's cache."""

Scratch = Callable[[tuple[int, ...]], Tensor]
"""Returns a tensor of a shape, whose memory is the same for each strip of rows."""


class WinogradConv2d(nn.Conv2d):
    """A convolution that a CPU computes from tiles of the map, if there is much to compute.

    For each pair of channels, a convolution of 3 x 3 multiplies 36 times for 2 x 2 pixels of the
    output, and this one 16 times. It adds more often, so values differ by roundings. With other
    kernels, few channels or a small map, and on other devices, it is an ordinary convolution.
    """

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n _ _ _"]:
        if self._is_tiled(x):
            return _Tiled.apply(x, self.weight, self.bias)
        return super().forward(x)

    def _is_tiled(self, x: Tensor) -> bool:
        if not as_products(x) or torch.is_autocast_enabled("cpu"):
            return False
        if x.dtype != self.weight.dtype or x.dtype not in (torch.float32, torch.float64):
            return False
        window = self.kernel_size, self.padding, self.stride, self.dilation, self.groups
        is_plain = window == ((3, 3), (1, 1), (1, 1), (1, 1), 1) and self.padding_mode == "zeros"
        is_wide = self.in_channels * self.out_channels >= FEWEST_KERNELS
        return is_plain and is_wide and x.shape[2:].numel() >= FEWEST_POSITIONS


class _Tiled(torch.autograd.Function):
    @staticmethod
    @torch.amp.custom_fwd(device_type="cpu")  # type: ignore[untyped-decorator]
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _convolved(x, weight, bias)

    @staticmethod
    @torch.amp.custom_bwd(device_type="cpu")  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias = ctx.needs_input_grad
        if torch.is_grad_enabled():  # gradients of gradients
            window = [1, 1], [1, 1], [1, 1], False, [0, 0], 1
            return torch.ops.aten.convolution_backward(
                gradient, x, weight, [len(weight)], *window, ctx.needs_input_grad
            )
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        return (
            _convolved(gradient, weight.transpose(0, 1).flip(2, 3), None) if of_x else None,
            _weight_gradient(x, gradient) if of_weight else None,
            gradient.sum((0, 2, 3)) if of_bias else None,
        )


def _convolved(
    x: Float[Tensor, "n c h w"], weight: Float[Tensor, "k c 3 3"], bias: Float[Tensor, " k"] | None
) -> Float[Tensor, "n k h w"]:
    """The convolution, in channels_last."""
    (n, c, h, w), k = x.shape, len(weight)
    weights = _times_g(x) @ weight.permute(2, 3, 1, 0).reshape(9, c * k)
    out = torch.empty(
        (n, k, h, w), dtype=x.dtype, device=x.device, memory_format=torch.channels_last
    )
    scratch = functools.cache(x.new_empty)
    for image, result in zip(_channels_last(x), _channels_last(out)):
        for rows, tiles in _input_tiles(image, scratch):
            products = scratch((16, tiles.shape[1], k))
            torch.bmm(tiles, weights.view(16, c, k), out=products)
            if bias is not None:
                products[5] += bias  # row 1, column 1: A adds it to each of the 2 x 2 pixels
            _write_output(products, result[rows], scratch)
    return out


def _weight_gradient(
    x: Float[Tensor, "n c h w"], gradient: Float[Tensor, "n k h w"]
) -> Float[Tensor, "k c 3 3"]:
    c, k = x.shape[1], gradient.shape[1]
    weights = x.new_zeros(16, k, c)
    scratch = functools.cache(x.new_empty)
    for image, y in zip(_channels_last(x), _channels_last(gradient)):
        for rows, tiles in _input_tiles(image, scratch):
            weights.baddbmm_(_gradient_tiles(y[rows], scratch).transpose(1, 2), tiles)
    weight = _times_g(x).T @ weights.view(16, k * c)
    return weight.view(3, 3, k, c).permute(2, 3, 0, 1)


def _times_g(like: Tensor) -> Float[Tensor, "16 9"]:
    """The matrix that turns the 3 x 3 weights of a kernel into 4 x 4, by G on both sides."""
    g = like.new_tensor([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
    return torch.kron(g, g)


def _channels_last(x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n h w c"]:
    return x.contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1)


def _input_tiles(
    x: Float[Tensor, "h w c"], scratch: Scratch
) -> Iterator[tuple[slice, Float[Tensor, "16 _ c"]]]:
    """Strips of rows of the output, each with the tiles that it reads, transformed by B.

    A tile is 4 x 4 pixels of the input, for 2 x 2 of the output.
    """
    h, w, c = x.shape
    across = (w + 1) // 2
    down = min(max(1, TILES // across), (h + 1) // 2)
    halves = x.new_zeros(4, down, 2 * across + 2, c)
    for top in range(0, h, 2 * down):
        rows = slice(top, min(top + 2 * down, h))
        n = (rows.stop - rows.start + 1) // 2
        above, below = top - 1, top + 2 * n + 1
        read = x[max(above, 0) : below]
        if above < 0 or below > h:
            read = F.pad(read, (0, 0, 0, 0, max(-above, 0), max(below - h, 0)))
        tiles = scratch((4, 4, n, across, c))
        _times_b_transposed(
            [read[i : i + 2 * n : 2] for i in range(4)], halves[:, :n, 1 : w + 1].unbind()
        )
        _times_b_transposed(
            [halves[:, :n, i : i + 2 * across : 2] for i in range(4)], tiles.unbind(1)
        )
        yield rows, tiles.view(16, n * across, c)


def _times_b_transposed(x: Sequence[Tensor], out: Sequence[Tensor]) -> None:
    torch.sub(x[0], x[2], out=out[0])
    torch.add(x[1], x[2], out=out[1])
    torch.sub(x[2], x[1], out=out[2])
    torch.sub(x[1], x[3], out=out[3])


def _write_output(
    products: Float[Tensor, "16 _ k"], out: Float[Tensor, "h w k"], scratch: Scratch
) -> None:
    """Write the 2 x 2 pixels of each tile, transformed by A, as far as the map goes."""
    h, w, k = out.shape
    tiles = products.view(4, 4, (h + 1) // 2, (w + 1) // 2, k)
    halves = scratch((2, *tiles.shape[1:]))
    _times_a_transposed(tiles.unbind(), halves.unbind())
    for half, rows in zip(halves, (out[::2], out[1::2])):
        _times_a_transposed(half[:, : len(rows)].unbind(), (rows[:, ::2], rows[:, 1::2]))


def _times_a_transposed(x: Sequence[Tensor], out: Sequence[Tensor]) -> None:
    torch.add(x[0], x[1], out=out[0]).add_(x[2])
    across = out[1].shape[-2]  # one fewer if the side is odd
    x = [part[..., :across, :] for part in x]
    torch.sub(x[1], x[2], out=out[1]).sub_(x[3])


def _gradient_tiles(y: Float[Tensor, "h w k"], scratch: Scratch) -> Float[Tensor, "16 _ k"]:
    """The reverse: 4 x 4 numbers for each 2 x 2 pixels, which are 0 beyond the map."""
    h, w, k = y.shape
    if h % 2 or w % 2:
        y = F.pad(y, (0, 0, 0, w % 2, 0, h % 2))
    n, across = len(y) // 2, y.shape[1] // 2
    halves = scratch((4, n, 2 * across, k))
    tiles = scratch((16, n * across, k))
    _times_a((y[::2], y[1::2]), halves.unbind())
    columns = halves[:, :, ::2], halves[:, :, 1::2]
    _times_a(columns, tiles.view(4, 4, n, across, k).unbind(1))
    return tiles


def _times_a(y: Sequence[Tensor], out: Sequence[Tensor]) -> None:
    out[0].copy_(y[0])
    torch.add(y[0], y[1], out=out[1])
    torch.sub(y[0], y[1], out=out[2])
    torch.neg(y[1], out=out[3])
