"""Weights of timm's models: from its hub, or from a file of the whole classifier."""

from __future__ import annotations

import urllib.request
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from fcn_lightning.models import Network
from fcn_lightning.models.backbones.timm_models import TimmBackbone, create, library

HUB = Path("timm")
"""The value of `classifier` for the weights that timm publishes of a model."""


def backbone_of(network: Network) -> TimmBackbone | None:
    """The network's backbone, if it is a model of timm."""
    backbone = getattr(network, "backbone", None)
    return backbone if isinstance(backbone, TimmBackbone) else None


def from_hub(backbone: TimmBackbone) -> dict[str, Tensor]:
    """Download the published weights of a model, or read them from the hub's cache.

    Raises:
        ValueError: There are none, or the hub cannot be reached.
    """
    model = backbone.model
    config = library().models.get_pretrained_cfg(model)
    if config is None or not config.has_weights:
        raise ValueError(
            f"timm publishes no weights of {model}. Start from a file with classifier=FILE, or "
            "from nothing with classifier=null."
        )
    _fail_at_once_if_offline()
    try:
        body = create(model, backbone.arguments, backbone.outputs, pretrained=True)
    except OSError as error:
        raise ValueError(
            f"The weights of {model} cannot be downloaded from {config.hf_hub_id or config.url}, "
            "and are not in the hub's cache. Check the connection, or download "
            "model.safetensors elsewhere and give it as classifier=FILE."
        ) from error
    return {f"backbone.body.{name}": value for name, value in body.state_dict().items()}


def renamed(state: Mapping[str, Tensor], backbone: TimmBackbone) -> dict[str, Tensor]:
    """Rename the weights of a whole model to those of its feature maps.

    timm joins the first two parts of some names there: `stages.0.downsample` is
    `stages_0.downsample`.
    """
    own = backbone.body.state_dict()
    joined = {name: name.replace(".", "_", 1) for name in state}
    return {
        f"backbone.body.{name if name in own else joined[name]}": value
        for name, value in state.items()
        if name in own or joined[name] in own
    }


def _fail_at_once_if_offline() -> None:
    """Spare a machine without network the minute in which the hub's client tries again."""
    from huggingface_hub import constants

    try:
        urllib.request.urlopen(constants.ENDPOINT, timeout=10).close()
    except OSError:
        constants.HF_HUB_OFFLINE = True
