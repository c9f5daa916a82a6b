"""The networks as plain modules: `build` one from a description, or put one together by hand."""

from fcn_lightning.models.fcn import FCN, Classifier, build
from fcn_lightning.models.skip import SkipHead
from fcn_lightning.models.surgery import transplant

__all__ = ["FCN", "Classifier", "SkipHead", "build", "transplant"]
