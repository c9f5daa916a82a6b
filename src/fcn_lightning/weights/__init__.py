"""Weights in: checkpoints of our own, and those of classifiers."""

from fcn_lightning.weights.checkpoints import Checkpoint, find, read_checkpoint, read_weights

__all__ = ["Checkpoint", "find", "read_checkpoint", "read_weights"]
