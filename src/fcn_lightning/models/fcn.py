"""A fully convolutional network, and the classifier that it starts from.

Either can be described by plain values and built from such a description again.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar, cast

import torch.nn.functional as F
from jaxtyping import Float, Num
from torch import Tensor, nn

from fcn_lightning.models.backbones import BACKBONES, Chain
from fcn_lightning.models.normalize import NORMALIZATIONS, Normalize
from fcn_lightning.models.skip import SkipHead

Description = dict[str, Any]
"""Plain values that say which network it is: the arguments of `build`."""

T = TypeVar("T")


class FCN(nn.Module):
    """Scores for every pixel of an image of any size."""

    description: Description

    def __init__(
        self, normalize: Normalize, backbone: Chain, head: SkipHead, image_scale: float = 1.0
    ) -> None:
        """Puts a network together.

        Args:
            normalize: From RGB bytes to what the backbone takes.
            backbone: Endpoints from a normalized image.
            head: Scores from endpoints.
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

    def forward(self, image: Num[Tensor, "n 3 h w"]) -> Float[Tensor, "n classes h w"]:
        """Scores of RGB images, 0..255, from 1 x 1 up.

        One that is too small for the backbone is padded below and to the right with what
        normalization makes zero; the scores are the image's.
        """
        x, size = self.normalize(image), image.shape[2:]
        if self.image_scale == 1:
            return self._scores(x)
        seen = [max(1, round(side * self.image_scale)) for side in size]
        scores = self._scores(F.interpolate(x, seen, mode="bilinear", antialias=True))
        return F.interpolate(scores, size, mode="bilinear")

    def _scores(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes h w"]:
        (h, w), smallest = x.shape[2:], self.backbone.smallest_input
        if min(h, w) < smallest:
            x = F.pad(x, (0, max(smallest - w, 0), 0, max(smallest - h, 0)))
        scores: Tensor = self.head(self.backbone(x), (h, w))
        return scores


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


def build(
    *,
    backbone: Mapping[str, Any],
    head: Mapping[str, Any],
    num_classes: int,
    normalize: str = "caffe",
    image_scale: float = 1.0,
) -> FCN | Classifier:
    """The network of a description, with weights as a new network has them.

    `build(**network.description)` makes the same network again.

    Args:
        backbone: `name`, one of BACKBONES, and that function's arguments.
        head: `name`, "skip" (the default) or "classifier", and for "skip" SkipHead's arguments.
        num_classes: Classes to score.
        normalize: One of NORMALIZATIONS; it belongs to the weights of the backbone.
        image_scale: By how much the FCN scales an image before its backbone sees it.

    Raises:
        ValueError: A name or value does not fit; the text says which ones would.
    """
    first = Normalize(_one_of(NORMALIZATIONS, normalize, "normalize"))
    chain = _construct(BACKBONES, backbone, "backbone")
    heads: dict[str, Callable[..., FCN | Classifier]] = {
        "skip": partial(_fcn, first, chain, image_scale),
        "classifier": partial(Classifier, first, chain),
    }
    arguments = {"name": "skip", **head, "num_classes": num_classes}
    network: FCN | Classifier = _construct(heads, arguments, "head")
    network.description = {
        "backbone": dict(backbone),
        "head": dict(head),
        "num_classes": num_classes,
        "normalize": normalize,
        "image_scale": image_scale,
    }
    return network


def _fcn(normalize: Normalize, backbone: Chain, image_scale: float, **head: Any) -> FCN:
    return FCN(normalize, backbone, SkipHead(backbone.endpoints, **head), image_scale)


def _construct(
    constructors: Mapping[str, Callable[..., T]], part: Mapping[str, Any], what: str
) -> T:
    arguments = dict(part)
    constructor = _one_of(constructors, arguments.pop("name", None), f"{what}.name")
    try:
        return constructor(**arguments)
    except TypeError as error:
        raise ValueError(
            f"`{what}` must hold the arguments of '{part['name']}'; {error}."
        ) from error


def _one_of(choices: Mapping[str, T], name: object, what: str) -> T:
    if isinstance(name, str) and name in choices:
        return choices[name]
    near = difflib.get_close_matches(str(name), choices, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    raise ValueError(f"`{what}` must be one of {', '.join(choices)}; got {name!r}.{hint}")
