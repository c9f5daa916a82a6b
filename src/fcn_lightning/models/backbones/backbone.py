"""The interface between a backbone and a head."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from torch import nn

from fcn_lightning.models.geometry import Grid


@dataclass(frozen=True)
class Endpoint:
    """A feature map that a head can score: its channels, and where its pixels lie in the image."""

    channels: int
    grid: Grid


class Backbone(nn.Module):
    """The base of all backbones: `forward` turns a normalized image into its endpoints by name.

    Attributes:
        endpoints: The maps that `forward` returns, from fine to coarse;
            `fcn_lightning.models.tracing.trace` finds them for any module of convolutions and
            pooling.
        needed: The endpoints that a network's head reads; None for all. `forward` may leave out the
            others.
        smallest_input: The smallest side of an image that `forward` accepts; the network pads
            smaller images.
        has_global_gates: Every output depends on the whole image, by squeeze and excitation for
            example. Receptive fields leave that out.
    """

    endpoints: dict[str, Endpoint]
    needed: Collection[str] | None = None
    smallest_input: int = 1
    has_global_gates: bool = False

    def checkpoint_activations(self) -> None:
        """Let training keep fewer maps, and compute the others again in the backward pass.

        Raises:
            ValueError: This backbone cannot.
        """
        raise ValueError(
            f"{type(self).__name__} cannot compute its maps again. Set `activation_checkpointing` "
            "to false, or override its method `checkpoint_activations`."
        )

    def until(self, endpoint: str) -> None:
        """Remove the layers after an endpoint.

        Raises:
            ValueError: This backbone cannot.
        """
        raise ValueError(
            f"{type(self).__name__} cannot end at {endpoint}. Set `head.last` to null, or override "
            "its method `until`."
        )
