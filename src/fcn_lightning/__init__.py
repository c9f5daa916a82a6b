"""Fully convolutional networks for semantic segmentation (Long, Shelhamer, Darrell)."""

from importlib.metadata import version

__version__ = version("fcn-lightning")
