"""Fully convolutional networks for semantic segmentation (Long, Shelhamer, Darrell)."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fcn_lightning.inference import load as load

__version__ = version("fcn-lightning")

__all__ = ["__version__", "load"]


def __getattr__(name: str) -> object:
    """Import `load` when it is used: torch takes seconds."""
    if name == "load":
        from fcn_lightning.inference import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
