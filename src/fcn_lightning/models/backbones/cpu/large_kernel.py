"""The convolution fc6, whose kernel is much larger than the map that it reads."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from fcn_lightning.models.backbones.cpu.eager import as_products
from fcn_lightning.models.geometry import Window, window_of

FEWEST_WEIGHTS = 2**22
MOST_POSITIONS = 1024
"""Places of the kernel in a batch of maps. The patches of VGG-16 then take 103 MB."""


class LargeKernelConv2d(nn.Conv2d):
    """A convolution that a CPU computes as one product of its weights and the patches of a map.

    A CPU's convolution reorders all weights in each pass, forward and backward. fc6 of VGG-16 has
    103 million of them for some 200 positions, and a product takes about half the time. With fewer
    weights or more positions, and on other devices, this is an ordinary convolution.
    """

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n _ _ _"]:
        window = window_of(self)
        assert window is not None
        if not self._is_product(x, window):
            return super().forward(x)
        n, (h, w) = len(x), map(window.out_size, x.shape[2:])
        patches = F.unfold(x, self.kernel_size, self.dilation, window.pad, self.stride)
        weight = self.weight
        if not weight.is_contiguous():  # channels last
            weight = weight.permute(0, 2, 3, 1)
            patches = patches.view(n, self.in_channels, -1, h * w).transpose(1, 2).flatten(1, 2)
        bias = self.bias[:, None] if self.bias is not None else x.new_zeros(1)
        product = torch.addmm(bias, weight.flatten(1), patches.transpose(0, 1).flatten(1))
        return product.view(-1, n, h, w).transpose(0, 1)

    def _is_product(self, x: Tensor, window: Window) -> bool:
        if not as_products(x):
            return False
        h, w = map(window.out_size, x.shape[2:])
        few = min(h, w) > 0 and 0 < len(x) * h * w <= MOST_POSITIONS
        is_plain = self.groups == 1 and self.padding_mode == "zeros"
        return few and is_plain and self.weight.numel() >= FEWEST_WEIGHTS
