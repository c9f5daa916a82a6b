"""The resolvers that the files of conf/ use."""

from __future__ import annotations

import math
from typing import Any

from omegaconf import ListConfig, OmegaConf


def _choose(given: Any, yes: Any, no: Any) -> Any:
    """Return `yes` if `given` has a value, else `no`; a list as a node, which Hydra can resolve."""
    chosen = no if given is None else yes
    return ListConfig(chosen) if isinstance(chosen, list) else chosen


def normalization_of(model: str) -> str:
    """Name the normalization that a timm model expects."""
    from fcn_lightning.models.backbones.timm_models import normalization_of as of_model

    return of_model(model)


OmegaConf.register_new_resolver("times", lambda *factors: math.prod(factors), replace=True)
OmegaConf.register_new_resolver("normalization_of", normalization_of, replace=True)
OmegaConf.register_new_resolver("if_given", _choose, replace=True)
