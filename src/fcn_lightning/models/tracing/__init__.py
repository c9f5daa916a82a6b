"""Where the maps of any module of convolutions and pooling lie in the image."""

from fcn_lightning.models.tracing.walk import Traced, trace

__all__ = ["Traced", "trace"]
