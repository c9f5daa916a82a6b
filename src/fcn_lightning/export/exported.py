"""The function that is exported: tensors of images in, scores or labels out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fcn_lightning.labels import by_name, unnamed
from fcn_lightning.models import FCN, Classifier, LateFusion, Network
from fcn_lightning.models.normalize import NORMALIZATIONS

DYNAMIC = {0: "n", 2: "h", 3: "w"}
"""The axes of images and scores that have any size."""


class Exported(nn.Module):
    """A network whose inputs and outputs are tensors with names.

    An image is (n, 3, h, w) uint8, RGB from 0 to 255, of any size from 1 x 1; a depth is
    (n, 1, h, w) float32.

    Attributes:
        inputs: The names of the images: `image`, or `image_color` and so on of several modalities.
        outputs: `score`, (n, classes, h, w) float32, or `label`, (n, h, w) uint8; `score_sem` and
            so on of several heads.
    """

    def __init__(self, network: Network, *, argmax: bool = False) -> None:
        """Wrap a network.

        Args:
            network: The network.
            argmax: Return the best class of each pixel in place of the scores.

        Raises:
            ValueError: The network labels whole images, or scales them itself.
        """
        super().__init__()
        self.network, self.argmax = _exportable(network), argmax
        self.eval()
        normalize: str | dict[str, str] = network.description["normalize"]
        self.channels = {k: len(NORMALIZATIONS[v].mean) for k, v in by_name(normalize).items()}
        self.inputs = [_named("image", name) for name in self.channels]
        what = "label" if argmax else "score"
        self.outputs = [_named(what, head) for head in by_name(network.description["num_classes"])]

    def forward(self, *images: Tensor) -> tuple[Tensor, ...]:
        """The outputs in the order of `outputs`, of images in the order of `inputs`."""
        given = dict(zip(self.channels, images, strict=True))
        scores = by_name(self.network(unnamed(given))).values()
        return tuple(s.argmax(1).to(torch.uint8) if self.argmax else s for s in scores)

    def draw(self, n: int, h: int, w: int, seed: int = 0) -> tuple[Tensor, ...]:
        """Random images of all modalities, of one size."""
        generator = torch.Generator().manual_seed(seed)
        return tuple(
            torch.randint(256, (n, channels, h, w), dtype=torch.uint8, generator=generator)
            if channels > 1
            else torch.rand(n, channels, h, w, generator=generator) * 10_000
            for channels in self.channels.values()
        )


def _exportable(network: Network) -> FCN | LateFusion:
    if isinstance(network, Classifier):
        raise ValueError(
            "The network is a classifier. Only networks that label pixels can be exported."
        )
    if (scale := getattr(network, "image_scale", 1)) != 1:
        raise ValueError(
            f"The network scales images itself (image_scale {scale}), by a size that is rounded: "
            "exported files have no such operation. Train it with image_scale=1."
        )
    return network


def _named(what: str, part: str) -> str:
    return f"{what}_{part}" if part else what
