"""What a run writes: checkpoints, pictures, scores of every image, log lines and metrics."""

from fcn_lightning.callbacks.loggers import MetricsFile, wandb_logger
from fcn_lightning.callbacks.per_image import PerImage
from fcn_lightning.callbacks.pictures import Pictures
from fcn_lightning.callbacks.progress import Progress, in_words
from fcn_lightning.callbacks.stopping import Stopping, WholeCheckpoints, end_processes

__all__ = [
    "MetricsFile",
    "PerImage",
    "Pictures",
    "Progress",
    "Stopping",
    "WholeCheckpoints",
    "end_processes",
    "in_words",
    "wandb_logger",
]
