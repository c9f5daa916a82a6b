"""The fully convolutional network, and the classifier whose weights it starts from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float, Num
from torch import Tensor, nn

from fcn_lightning.models.backbones import Backbone
from fcn_lightning.models.backbones.chain import Chain
from fcn_lightning.models.normalize import Normalize
from fcn_lightning.models.skip import SkipHead

Description = dict[str, Any]
"""The arguments of `build` that a network was built with: plain values only."""

Images = Num[Tensor, "n c h w"] | Mapping[str, Num[Tensor, "n _ h w"]]
"""A batch of images of one size; a network of several modalities takes one batch for each."""

ScoreMaps = Float[Tensor, "n classes h w"] | dict[str, Float[Tensor, "n _ h w"]]
"""The scores of every pixel; a network of several heads returns one tensor for each."""


class FCN(nn.Module):
    """Scores every pixel of an image of any size.

    Source: Long et al. 2015, 3 and 4.
    """

    description: Description

    def __init__(
        self, normalize: nn.Module, backbone: Backbone, head: nn.Module, image_scale: float = 1.0
    ) -> None:
        """Assembles a network from its parts.

        Args:
            normalize: Turns images into the backbone's input: Normalize, or EarlyFusion.
            backbone: Computes the endpoints of a normalized image.
            head: Computes score maps from the endpoints: SkipHead, or several of them as Heads.
            image_scale: The image is scaled by this factor before the backbone sees it; the
                scores still have the size of the original image. The papers use 1.

        Raises:
            ValueError: `image_scale` is not positive.
        """
        super().__init__()
        if image_scale <= 0:
            raise ValueError(f"`image_scale` must be a positive factor; got {image_scale}.")
        self.normalize = normalize
        self.backbone = backbone
        self.head = head
        self.image_scale = image_scale

    def forward(self, image: Images) -> ScoreMaps:
        """Compute the score maps of a batch of images.

        Images that are too small for the backbone are padded at the bottom and on the right with
        zeros after normalization; the scores of the padding are cut off.

        Args:
            image: RGB, (n, 3, h, w), values 0 to 255, any size from 1 x 1; or a mapping with one
                tensor for each modality.

        Returns:
            Scores (n, classes, h, w); or a dict with those of each head.
        """
        x: Tensor = self.normalize(image)
        h, w = x.shape[2:]
        if self.image_scale == 1:
            scores: ScoreMaps = self.head(self._endpoints(x), (h, w))
            return scores
        scaled = (max(1, round(h * self.image_scale)), max(1, round(w * self.image_scale)))
        x = F.interpolate(x, scaled, mode="bilinear", antialias=True)
        return F.interpolate(self.head(self._endpoints(x), scaled), (h, w), mode="bilinear")

    @property
    def coarsest_stride(self) -> int:
        """The stride of the coarsest map that is scored, in pixels of the image."""
        *_, coarsest = self.backbone.endpoints.values()
        return max(1, round(coarsest.grid.stride / self.image_scale))

    @property
    def has_global_gates(self) -> bool:
        """True if the scores of a pixel depend on the whole image, beyond its receptive field.

        A backbone with global gates (squeeze and excitation) has a true `has_global_gates`.
        """
        return bool(getattr(self.backbone, "has_global_gates", False))

    def fused(self, image: Images) -> Float[Tensor, "n classes _ _"]:
        """The fused scores of all streams, before the last upscore layer."""
        head = self.head
        assert isinstance(head, SkipHead)
        return head.fused(self._endpoints(self.normalize(image)))

    def _endpoints(self, x: Float[Tensor, "n c h w"]) -> dict[str, Float[Tensor, "n _ _ _"]]:
        (h, w), smallest = x.shape[2:], self.backbone.smallest_input
        if smallest > 1:
            x = F.pad(x, (0, _lacking(w, smallest), 0, _lacking(h, smallest)))
        maps: dict[str, Tensor] = self.backbone(x)
        return maps


def _lacking(side: int | Tensor, smallest: int) -> Any:
    """max(smallest - side, 0); of a size that is traced, without fixing what it is."""
    lack = smallest - side
    return lack.clamp(min=0) if isinstance(lack, Tensor) else torch.sym_max(lack, 0)


class Classifier(nn.Module):
    """An image classifier with the layers of a backbone, fc6 and fc7 as fully connected layers.

    It scores whole images of one size, the size that fits fc6. Without fc6, as in GoogLeNet, the
    last map is averaged, and images may have any size. The scores are a map of one pixel:
    classification is handled as segmentation with a label map of 1 x 1.

    Source: Long et al. 2015, 3.1.
    """

    description: Description

    def __init__(self, normalize: Normalize, backbone: Backbone, num_classes: int) -> None:
        """Make a classifier of the layers of a backbone.

        Raises:
            ValueError: The backbone is no chain of layers, or its fc6 or fc7 is dilated.
        """
        super().__init__()
        if not isinstance(backbone, Chain):
            raise ValueError(
                "head=classifier needs a backbone whose layers form a chain: vgg16, vgg19, alexnet,"
                " caffenet or googlenet."
            )
        self.normalize = normalize
        self.features = nn.Sequential()
        self.classifier = nn.Sequential()
        for name, layer in backbone.named_children():
            if isinstance(layer, nn.Conv2d) and name.startswith("fc"):
                layer = _fully_connected(name, layer)
            into = self.classifier if len(self.classifier) or name == "fc6" else self.features
            into.add_module(name, layer)
        channels = list(backbone.endpoints.values())[-1].channels
        self.classifier.add_module("fc8", nn.Linear(channels, num_classes))

    def forward(self, image: Num[Tensor, "n 3 h w"]) -> Float[Tensor, "n classes 1 1"]:
        maps: Tensor = self.features(self.normalize(image))
        first = cast(nn.Linear, self.classifier[0])
        if len(self.classifier) == 1:
            maps = maps.mean((2, 3))
        elif maps[0].numel() != first.in_features:
            raise ValueError(
                f"fc6 of the classifier has {first.in_features} inputs, but an image of "
                f"{image.shape[2]} x {image.shape[3]} gives {maps[0].numel()}. Use images of the "
                "size that fits fc6."
            )
        scores: Tensor = self.classifier(maps.flatten(1))[:, :, None, None]
        return scores


def _fully_connected(name: str, layer: nn.Conv2d) -> nn.Linear:
    """Return a newly initialized fully connected layer in place of a convolution."""
    if layer.dilation != (1, 1):
        raise ValueError(
            f"{name} of a classifier cannot be dilated. Set `backbone.pool5_stride` to 2."
        )
    linear = nn.Linear(layer.weight[0].numel(), layer.out_channels)
    if not linear.weight.is_meta:  # slow there
        nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
        nn.init.zeros_(linear.bias)
    return linear
