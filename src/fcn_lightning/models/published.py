"""The published networks, as functions.

Kernels and crops are computed (`geometry.py`) and repeated here for the reader;
`print(summarize(fcn16s()))` shows them. A crop is the number of rows at the top and of columns on
the left that are cut off. Numbers are those of VGG-16 padded by 100, as in the reference; with
`padding="same"`, as in experiment=shapes, they differ.

The learning rates are those of the reference's solvers, which train with heavy learning: batch 1,
momentum 0.99, summed loss. A run uses `lr` of conf/recipe/heavy.yaml times `lr_factor` of
conf/head/NAME.yaml; CVPR 2015 has other rates, in conf/recipe/cvpr2015.yaml.

Source: Long et al. 2015, 4; shelhamer/fcn.berkeleyvision.org net.py and solver.prototxt of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fcn_lightning.models.backbones import BACKBONES
from fcn_lightning.models.build import build
from fcn_lightning.models.fcn import FCN

SKIPS = {
    "alexnet": ("pool2", "pool1"),
    "caffenet": ("pool2", "pool1"),
    "googlenet": ("pool3", "pool2", "pool1"),
    "vgg16": ("pool4", "pool3", "pool2"),
    "vgg19": ("pool4", "pool3", "pool2"),
}
"""Endpoints of stride 16, 8 and 4. The papers publish skips on VGG-16 only."""


def fcn32s(
    num_classes: int = 21, backbone: str = "vgg16", normalize: str = "caffe", **arguments: Any
) -> FCN:
    """FCN-32s: one stream, fc7, upscored by 32.

    `upscore` is 64 x 64, and its output is cropped by 19. The learning rate is 1e-10; the backbone
    starts from an ImageNet classifier.

    Args:
        num_classes: Number of classes, with the background.
        backbone: One of BACKBONES.
        normalize: One of NORMALIZATIONS, the one that the backbone's weights were trained with.
        **arguments: Arguments of the backbone, such as `padding="same"`.

    Raises:
        ValueError: An argument is wrong; the message names it.
    """
    return _fcn(num_classes, backbone, normalize, arguments)


def fcn16s(
    num_classes: int = 21, backbone: str = "vgg16", normalize: str = "caffe", **arguments: Any
) -> FCN:
    """FCN-16s: two streams, fc7 and pool4, upscored by 16.

    pool4's scores are cropped by 5 and added to the output of `upscore2` (4 x 4). `upscore16` is
    32 x 32, and its output is cropped by 27. The learning rate is 1e-12, starting from a trained
    FCN-32s. Arguments are those of `fcn32s`.
    """
    return _fcn(num_classes, backbone, normalize, arguments, num_skips=1)


def fcn8s(
    num_classes: int = 21, backbone: str = "vgg16", normalize: str = "caffe", **arguments: Any
) -> FCN:
    """FCN-8s: three streams, fc7, pool4 and pool3, upscored by 8.

    pool4's scores are cropped by 5 and added to the output of `upscore2` (4 x 4); pool3's scores
    are cropped by 9 and added to that of `upscore_pool4` (4 x 4). `upscore8` is 16 x 16, and its
    output is cropped by 31. The learning rate is 1e-14, starting from a trained FCN-16s. Arguments
    are those of `fcn32s`.
    """
    return _fcn(num_classes, backbone, normalize, arguments, num_skips=2)


def fcn8s_at_once(
    num_classes: int = 21, backbone: str = "vgg16", normalize: str = "caffe", **arguments: Any
) -> FCN:
    """FCN-8s at once: FCN-8s trained in one stage, with scaled skips.

    pool4 is multiplied by 0.01 and pool3 by 0.0001 before they are scored. Kernels and crops are
    those of `fcn8s`. The learning rate is 1e-10, starting from an ImageNet classifier, for three
    times the steps of FCN-32s. Arguments are those of `fcn32s`.

    Source: Shelhamer et al. 2016; shelhamer/fcn.berkeleyvision.org voc-fcn8s-atonce.
    """
    return _fcn(num_classes, backbone, normalize, arguments, num_skips=2, scales=(0.01, 0.0001))


def fcn4s(
    num_classes: int = 21, backbone: str = "vgg16", normalize: str = "caffe", **arguments: Any
) -> FCN:
    """FCN-4s: four streams, fc7, pool4, pool3 and pool2, upscored by 4.

    The scores of pool4, pool3 and pool2 are cropped by 5, 9 and 17 and added to the outputs of
    `upscore2`, `upscore_pool4` and `upscore_pool3` (4 x 4). `upscore4` is 8 x 8, and its output is
    cropped by 33. The papers stop at FCN-8s, so no learning rate is published;
    conf/head/fcn4s.yaml uses that of FCN-8s. Arguments are those of `fcn32s`.
    """
    return _fcn(num_classes, backbone, normalize, arguments, num_skips=3)


def fcn_alexnet(num_classes: int = 21, **arguments: Any) -> FCN:
    """FCN-AlexNet: FCN-32s on CaffeNet.

    `upscore` is 63 x 63, and its output is cropped by 18. The learning rate is 1e-4, with batch 20,
    momentum 0.9 and averaged loss (conf/recipe/alexnet.yaml).
    """
    return fcn32s(num_classes, "caffenet", **arguments)


def fcn_googlenet(num_classes: int = 21, **arguments: Any) -> FCN:
    """FCN-GoogLeNet: FCN-32s on GoogLeNet, the last convolutional network of Table 1.

    GoogLeNet is not padded by 100: `upscore` is 63 x 63, and its output is cropped by 1. The
    learning rate is 5e-5 with batch 20 (conf/recipe/cvpr2015.yaml); the reference does not have
    this network.
    """
    return fcn32s(num_classes, "googlenet", **arguments)


def _fcn(
    num_classes: int,
    backbone: str,
    normalize: str,
    arguments: dict[str, Any],
    num_skips: int = 0,
    scales: Sequence[float] | None = None,
) -> FCN:
    skips = SKIPS.get(backbone, ())[:num_skips]
    if backbone in BACKBONES and len(skips) < num_skips:
        raise ValueError(f"{backbone} has no endpoint of stride {32 // 2**num_skips} to skip from.")
    network = build(
        backbone={"name": backbone, **arguments},
        head={"name": "skip", "skips": skips, "scales": scales},
        num_classes=num_classes,
        normalize=normalize,
    )
    assert isinstance(network, FCN)
    return network
