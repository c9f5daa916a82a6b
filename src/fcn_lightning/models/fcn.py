"""A fully convolutional network, and the classifier that it starts from.

`description` holds the plain values that either was built from: the arguments of `build`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch.nn.functional as F
from jaxtyping import Float, Num
from torch import Tensor, nn

from fcn_lightning.models.backbones import Chain
from fcn_lightning.models.normalize import Normalize
from fcn_lightning.models.skip import SkipHead

Description = dict[str, Any]
"""Plain values that say which network it is: the arguments of `build`."""

Images = Num[Tensor, "n c h w"] | Mapping[str, Num[Tensor, "n _ h w"]]
"""Images of one size; or of each modality, where a network takes several."""

ScoreMaps = Float[Tensor, "n classes h w"] | dict[str, Float[Tensor, "n _ h w"]]
"""ScoreMaps for every pixel; or those of each head, where a network has several."""


class FCN(nn.Module):
    """ScoreMaps for every pixel of an image of any size."""

    description: Description

    def __init__(
        self, normalize: nn.Module, backbone: Chain, head: nn.Module, image_scale: float = 1.0
    ) -> None:
        """Puts a network together.

        Args:
            normalize: From images to what the backbone takes: Normalize, or EarlyFusion.
            backbone: Endpoints from a normalized image.
            head: ScoreMaps from endpoints: SkipHead, or several as Heads.
            image_scale: The backbone sees the image scaled by this factor; scores are of the
                image's own size at any. The papers' networks have 1.

        Raises:
            ValueError: The scale is not positive.
        """
        super().__init__()
        if image_scale <= 0:
            raise ValueError(f"`image_scale` must be a positive factor; got {image_scale}.")
        self.normalize = normalize
        self.backbone = backbone
        self.head = head
        self.image_scale = image_scale

    def forward(self, image: Images) -> ScoreMaps:
        """ScoreMaps of RGB images, (n, 3, h, w) 0..255, from 1 x 1 up: (n, classes, h, w).

        Where there are several modalities, `image` has a tensor for each; where there are several
        heads, each has its scores. An image that is too small for the backbone is padded below and
        to the right with what normalization makes zero; the scores are the image's.
        """
        x: Tensor = self.normalize(image)
        h, w = x.shape[2:]
        if self.image_scale == 1:
            scores: ScoreMaps = self.head(self._endpoints(x), (h, w))
            return scores
        seen = (max(1, round(h * self.image_scale)), max(1, round(w * self.image_scale)))
        x = F.interpolate(x, seen, mode="bilinear", antialias=True)
        return F.interpolate(self.head(self._endpoints(x), seen), (h, w), mode="bilinear")

    def fused(self, image: Images) -> Float[Tensor, "n classes _ _"]:
        """The head's scores before they are upscored to the image."""
        head = self.head
        assert isinstance(head, SkipHead)
        return head.fused(self._endpoints(self.normalize(image)))

    def _endpoints(self, x: Float[Tensor, "n c h w"]) -> dict[str, Float[Tensor, "n _ _ _"]]:
        (h, w), smallest = x.shape[2:], self.backbone.smallest_input
        if min(h, w) < smallest:
            x = F.pad(x, (0, max(smallest - w, 0), 0, max(smallest - h, 0)))
        maps: dict[str, Tensor] = self.backbone(x)
        return maps


class Classifier(nn.Module):
    """The backbone as the classifier that it was before its fully connected layers slid.

    It scores whole images of the one size that its fully connected layers fit, as a map of one
    pixel, so that a classification is a segmentation whose label is one pixel.
    """

    description: Description

    def __init__(self, normalize: Normalize, backbone: Chain, num_classes: int) -> None:
        super().__init__()
        self.normalize = normalize
        self.features = nn.Sequential()
        self.classifier = nn.Sequential()
        for name, layer in backbone.named_children():
            if isinstance(layer, nn.Conv2d) and name.startswith("fc"):
                layer = nn.Linear(layer.weight[0].numel(), layer.out_channels)
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)
            into = self.classifier if len(self.classifier) or name == "fc6" else self.features
            into.add_module(name, layer)
            if isinstance(layer, nn.Linear):
                channels = layer.out_features
        self.classifier.add_module("fc8", nn.Linear(channels, num_classes))

    def forward(self, image: Num[Tensor, "n 3 h w"]) -> Float[Tensor, "n classes 1 1"]:
        maps: Tensor = self.features(self.normalize(image))
        inputs = cast(nn.Linear, self.classifier.get_submodule("fc6")).in_features
        if maps[0].numel() != inputs:
            raise ValueError(
                f"The classifier's fc6 must see {inputs} values; an image of {image.shape[2]} x "
                f"{image.shape[3]} gives {maps[0].numel()}. Classify images of one fitting size."
            )
        scores: Tensor = self.classifier(maps.flatten(1))[:, :, None, None]
        return scores
