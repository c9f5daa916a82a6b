"""Metrics and pictures of a run, scores of its images, its checkpoints and its progress."""

from fcn_lightning.callbacks.best import BestCheckpoint
from fcn_lightning.callbacks.loggers import MetricsFile, tensorboard_logger, wandb_logger
from fcn_lightning.callbacks.memory_format import MemoryFormat
from fcn_lightning.callbacks.per_image import PerImage
from fcn_lightning.callbacks.pictures import Pictures
from fcn_lightning.callbacks.progress import Progress, ProgressBar, in_words
from fcn_lightning.callbacks.speed import Speed
from fcn_lightning.callbacks.stopping import Stopping, WholeCheckpoints, end_processes
from fcn_lightning.callbacks.wandb_results import WandbResults

__all__ = [
    "BestCheckpoint",
    "MemoryFormat",
    "MetricsFile",
    "PerImage",
    "Pictures",
    "Progress",
    "ProgressBar",
    "Speed",
    "Stopping",
    "WandbResults",
    "WholeCheckpoints",
    "end_processes",
    "in_words",
    "tensorboard_logger",
    "wandb_logger",
]
