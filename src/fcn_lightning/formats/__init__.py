"""Weights in and out: this package's checkpoints, Caffe, torchvision and torchfcn."""

from fcn_lightning.formats.checkpoint import Checkpoint, find, read_checkpoint
from fcn_lightning.formats.identify import read_weights

__all__ = ["Checkpoint", "find", "read_checkpoint", "read_weights"]
