"""Networks as plain PyTorch modules.

The published networks are functions (`fcn32s`, `fcn16s`, ...); `build` makes any network from plain
values.
"""

from fcn_lightning.models.build import Network, build
from fcn_lightning.models.fcn import FCN, Classifier
from fcn_lightning.models.fusion import LateFusion
from fcn_lightning.models.published import (
    fcn4s,
    fcn8s,
    fcn8s_at_once,
    fcn16s,
    fcn32s,
    fcn_alexnet,
    fcn_googlenet,
)
from fcn_lightning.models.skip import SkipHead
from fcn_lightning.models.summary import summarize
from fcn_lightning.models.surgery import transplant

__all__ = [
    "FCN",
    "Classifier",
    "LateFusion",
    "Network",
    "SkipHead",
    "build",
    "fcn4s",
    "fcn8s",
    "fcn8s_at_once",
    "fcn16s",
    "fcn32s",
    "fcn_alexnet",
    "fcn_googlenet",
    "summarize",
    "transplant",
]
