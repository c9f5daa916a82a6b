"""Backbones: they turn a normalized image into named feature maps, the endpoints."""

from collections.abc import Callable

from fcn_lightning.models.backbones.alexnet import alexnet, caffenet
from fcn_lightning.models.backbones.backbone import Backbone, Endpoint
from fcn_lightning.models.backbones.chain import Chain
from fcn_lightning.models.backbones.googlenet import googlenet
from fcn_lightning.models.backbones.timm_models import timm_backbone
from fcn_lightning.models.backbones.vgg import vgg16, vgg19

BACKBONES: dict[str, Callable[..., Backbone]] = {
    "alexnet": alexnet,
    "caffenet": caffenet,
    "googlenet": googlenet,
    "timm": timm_backbone,
    "vgg16": vgg16,
    "vgg19": vgg19,
}
"""The backbones by name, as `backbone.name` in configs; add your own to build it by its name."""

__all__ = [
    "BACKBONES", "Backbone", "Chain", "Endpoint", "alexnet", "caffenet", "googlenet",
    "timm_backbone", "vgg16", "vgg19",
]  # fmt: skip
