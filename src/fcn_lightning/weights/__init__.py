"""Weights in and out: checkpoints of our own, classifiers', Caffe's and torchfcn's."""

from fcn_lightning.weights.checkpoints import Checkpoint, find, read_checkpoint, read_weights

__all__ = ["Checkpoint", "find", "read_checkpoint", "read_weights"]
