"""The resolvers that the files of conf/ use."""

from __future__ import annotations

import math

from omegaconf import OmegaConf

OmegaConf.register_new_resolver("times", lambda *factors: math.prod(factors), replace=True)
