"""Backbones: they turn a normalized image into named feature maps, the endpoints."""

from collections.abc import Callable

from fcn_lightning.models.backbones.alexnet import alexnet, caffenet
from fcn_lightning.models.backbones.chain import Chain, Endpoint
from fcn_lightning.models.backbones.googlenet import googlenet
from fcn_lightning.models.backbones.vgg import vgg16, vgg19

BACKBONES: dict[str, Callable[..., Chain]] = {
    "alexnet": alexnet,
    "caffenet": caffenet,
    "googlenet": googlenet,
    "vgg16": vgg16,
    "vgg19": vgg19,
}
"""The backbones by name, as `backbone.name` in configs."""

__all__ = [
    "BACKBONES", "Chain", "Endpoint", "alexnet", "caffenet", "googlenet", "vgg16", "vgg19",
]  # fmt: skip
