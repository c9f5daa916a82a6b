"""The same maps and gradients with less work on a CPU."""

from fcn_lightning.models.backbones.cpu.eager import ordinary
from fcn_lightning.models.backbones.cpu.large_kernel import LargeKernelConv2d
from fcn_lightning.models.backbones.cpu.strips import fits_strips, in_strips
from fcn_lightning.models.backbones.cpu.winograd import WinogradConv2d

__all__ = ["LargeKernelConv2d", "WinogradConv2d", "fits_strips", "in_strips", "ordinary"]
