"""The resolvers that the files of conf/ use."""

from __future__ import annotations

import math

from omegaconf import OmegaConf


def normalization_of(model: str) -> str:
    """Name the normalization that a timm model expects."""
    from fcn_lightning.models.backbones.timm_models import normalization_of as of_model

    return of_model(model)


OmegaConf.register_new_resolver("times", lambda *factors: math.prod(factors), replace=True)
OmegaConf.register_new_resolver("normalization_of", normalization_of, replace=True)
