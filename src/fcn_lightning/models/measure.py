"""The properties of a network that Table 1 of CVPR 2015 prints, counted as the paper counts them.

The table's forward time is `fcn_lightning.runs.timing.forward_seconds`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Any

from torch import nn

from fcn_lightning.models.backbones import Chain
from fcn_lightning.models.fcn import FCN
from fcn_lightning.models.geometry import Grid


@dataclass(frozen=True)
class Measured:
    """The counts of a network.

    Attributes:
        num_convolutions: Convolution layers on the longest path from the image to the scores. fc6,
            fc7 and the scoring layer are convolutions; an inception block counts 2; upscore layers
            do not count. FCN-AlexNet has 8, FCN-VGG16 16 and FCN-GoogLeNet 22.
        num_parameters: Weights and biases of all layers. Fixed upscore kernels do not count.
        receptive_field: Side of the receptive field of the last endpoint, in pixels.
        classifier_receptive_field: The same for the classifier from which the backbone comes. It
            is larger for GoogLeNet, 907 instead of 715: the paper counts the 7 x 7 average pooling
            that its FCN discards.
        max_stride: The largest stride of an endpoint, in pixels.
    """

    num_convolutions: int
    num_parameters: int
    receptive_field: int
    classifier_receptive_field: int
    max_stride: int


def measure(network: FCN) -> Measured:
    """Count what Table 1 prints of a network; the weights do not matter.

    A network on the device `meta` will do. Pixels are those of the image that the backbone sees.

    Source: Long et al. 2015, 4.1, Table 1.

    Raises:
        TypeError: The backbone is not a Chain.
    """
    backbone = network.backbone
    if not isinstance(backbone, Chain):
        raise TypeError(
            f"Table 1's columns are counted of backbones that are a Chain of layers; got "
            f"{type(backbone).__name__}."
        )
    endpoints = list(backbone.endpoints.values())
    classifier = reduce(Grid.after, backbone.discarded, endpoints[-1].grid)
    return Measured(
        num_convolutions=sum(map(_num_convolutions, backbone.children())) + 1,
        num_parameters=sum(parameter.numel() for parameter in network.parameters()),
        receptive_field=int(endpoints[-1].grid.receptive_field),
        classifier_receptive_field=int(classifier.receptive_field),
        max_stride=max(int(endpoint.grid.stride) for endpoint in endpoints),
    )


def _num_convolutions(layer: Any) -> int:
    """Convolutions on the longest path; those of a block without `branches` follow each other."""
    if branches := getattr(layer, "branches", None):
        return max(map(len, branches))
    return sum(isinstance(part, nn.Conv2d) for part in layer.modules())
