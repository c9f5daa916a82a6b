"""Thin backbones, quick enough for images of all sizes."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from fcn_lightning.models.backbones import BACKBONES, Chain

THIN: dict[str, dict[str, Any]] = {
    "vgg16": {"widths": (2,) * 5, "fc_widths": (2, 2)},
    "caffenet": {"widths": (2, 4, 4, 4, 4), "fc_widths": (2, 2)},
    "googlenet": {"stem": (2, 2, 4), "inceptions": ((2,) * 6,) * 9},
}


def chain(name: str, **arguments: Any) -> Chain:
    """A thin network in float64, whose biases make the border differ from zero."""
    torch.manual_seed(0)
    backbone = BACKBONES[name](**(THIN[name] | {"padding": 100} | arguments)).double().eval()
    assert isinstance(backbone, Chain)
    for layer in backbone.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.uniform_(layer.bias, 0.1, 1)
    return backbone
