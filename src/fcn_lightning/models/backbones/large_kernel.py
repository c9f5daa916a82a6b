"""The convolution fc6, whose kernel is much larger than the map that it reads."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.onnx import is_in_onnx_export

FEWEST_WEIGHTS = 2**22
MOST_POSITIONS = 1024
"""Of the kernel in the maps of a batch. The patches of VGG-16 then have 103 MB."""


class LargeKernelConv2d(nn.Conv2d):
    """A convolution that a CPU computes as one product of its weights and the patches of a map.

    A CPU's convolution reorders all weights in each pass, forward and backward; fc6 of VGG-16 has
    103 million for some 200 positions, and takes half the time this way. With fewer weights or more
    positions, and on other devices, this is a usual convolution.
    """

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n _ _ _"]:
        if not self._is_product(x):
            return super().forward(x)
        h, w = self._out_size(x)
        patches = F.unfold(x, self.kernel_size, self.dilation, self._pads(), self.stride)
        weight = self.weight
        if not weight.is_contiguous():  # channels last
            weight = weight.permute(0, 2, 3, 1)
            patches = (
                patches.view(len(x), self.in_channels, -1, h * w).transpose(1, 2).flatten(1, 2)
            )
        bias = self.bias[:, None] if self.bias is not None else x.new_zeros(1)
        product = torch.addmm(bias, weight.flatten(1), patches.transpose(0, 1).flatten(1))
        return product.view(-1, len(x), h, w).transpose(0, 1)

    def _is_product(self, x: Tensor) -> bool:
        if x.device.type != "cpu" or torch.compiler.is_compiling() or is_in_onnx_export():
            return False
        h, w = self._out_size(x)
        few = min(h, w) > 0 and len(x) * h * w <= MOST_POSITIONS
        return few and self.groups == 1 and self.weight.numel() >= FEWEST_WEIGHTS

    def _out_size(self, x: Tensor) -> tuple[int, int]:
        h, w = (
            (side + 2 * pad - dilation * (kernel - 1) - 1) // stride + 1
            for side, pad, dilation, kernel, stride in zip(
                x.shape[2:], self._pads(), self.dilation, self.kernel_size, self.stride
            )
        )
        return h, w

    def _pads(self) -> tuple[int, ...]:
        assert not isinstance(self.padding, str)
        return self.padding
