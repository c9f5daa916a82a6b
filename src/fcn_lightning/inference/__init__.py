"""Label maps of images: a trained network as a function, and as a job over many files."""

from fcn_lightning.inference.averaging import Averaging
from fcn_lightning.inference.predictor import Predictor, load

__all__ = ["Averaging", "Predictor", "load"]
