"""The networks as plain modules: `build` one from a description, or put one together by hand."""

from fcn_lightning.models.build import Network, build
from fcn_lightning.models.fcn import FCN, Classifier
from fcn_lightning.models.fusion import LateFusion
from fcn_lightning.models.skip import SkipHead
from fcn_lightning.models.surgery import transplant

__all__ = ["FCN", "Classifier", "LateFusion", "Network", "SkipHead", "build", "transplant"]
