"""VGG-16 and VGG-19, fully convolutional, under Caffe's layer names.

Source: Simonyan and Zisserman 2015, configurations D and E; Long et al. 2015, 3.1 and 4.1;
shelhamer/fcn.berkeleyvision.org voc-fcn32s/net.py, nyud-fcn32s-color-d/net.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from torch import nn

from fcn_lightning.models.backbones.chain import Chain, check_sizes
from fcn_lightning.models.backbones.cpu import LargeKernelConv2d, WinogradConv2d

CONVOLUTIONS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
"""Convolutions before each of the five pooling layers."""

FIRST_CONVOLUTION = {1: "conv1_1", 3: "conv1_1", 4: "conv1_1_bgrd"}
"""Its name by the number of channels of the image: 1 for depth, 3, or 4 for BGR and depth."""


def vgg16(
    widths: Sequence[int] = (64, 128, 256, 512, 512),
    fc_widths: Sequence[int] = (4096, 4096),
    fc6_kernel: int = 7,
    padding: int | str = 100,
    dropout: float = 0.5,
    in_channels: int = 3,
    suffix: str = "",
    pool5_stride: int = 2,
    *,
    name: str = "vgg16",
) -> Chain:
    """Build VGG-16 with endpoints `pool1` to `pool5` and `fc7`, of strides 2 to 32 and 32.

    Args:
        widths: Channels of the convolutions in each of the five blocks.
        fc_widths: Channels of fc6 and fc7.
        fc6_kernel: Side of fc6's kernel on pool5; must be odd with `padding` "same".
        padding: 100 pads conv1_1 by 100 pixels as the reference does, so that images of any size
            can be scored; "same" keeps the size in every layer, at about half the cost.
        dropout: Dropout probability after fc6 and fc7.
        in_channels: Channels of the image: 1 for depth, 3, or 4 for color and depth. With 4, the
            first layer is called `conv1_1_bgrd`.
        suffix: Appended to the name of each layer.
        pool5_stride: 2, or 1 for an fc7 of stride 16. With 1, fc6 is dilated by 2 (filter
            rarefaction, CVPR 2015, 3.2), so its weights and its receptive field stay the same.
            Deviation: CVPR 2015 (4.2) names an fc6 of 14 x 14 for this, which was hard to learn.
        name: One of CONVOLUTIONS.

    Raises:
        ValueError: An argument is out of range; the message names it.
    """
    check_sizes(name, widths, fc_widths, padding, dropout)
    if fc6_kernel < 1 or (padding == "same" and fc6_kernel % 2 == 0):
        raise ValueError(
            f"`fc6_kernel` must be positive, and odd with padding 'same'; got {fc6_kernel}."
        )
    if in_channels not in FIRST_CONVOLUTION:
        raise ValueError(f"`in_channels` of {name} must be 1, 3 or 4; got {in_channels}.")
    if pool5_stride not in (1, 2):
        raise ValueError(f"`pool5_stride` must be 1 or 2; got {pool5_stride}.")
    layers = _layers(
        CONVOLUTIONS[name], widths, fc_widths, fc6_kernel, padding, dropout, in_channels,
        pool5_stride,
    )  # fmt: skip
    return Chain(layers, last="fc7", suffix=suffix)


def vgg19(**arguments: Any) -> Chain:
    """Build VGG-19, with the arguments and endpoints of `vgg16`.

    It has a fourth convolution in each of the last three blocks. CVPR 2015 found it equivalent to
    VGG-16 on this task (4.1).
    """
    return vgg16(**arguments, name="vgg19")


def _layers(
    convolutions: Sequence[int],
    widths: Sequence[int],
    fc_widths: Sequence[int],
    fc6_kernel: int,
    padding: int | str,
    dropout: float,
    in_channels: int,
    pool5_stride: int,
) -> Iterator[tuple[str, nn.Module]]:
    channels = in_channels
    for block, (count, width) in enumerate(zip(convolutions, widths, strict=True), start=1):
        for i in range(1, count + 1):
            pad = 100 if padding == 100 and (block, i) == (1, 1) else 1
            name = FIRST_CONVOLUTION[in_channels] if (block, i) == (1, 1) else f"conv{block}_{i}"
            yield name, WinogradConv2d(channels, width, 3, padding=pad)
            yield f"relu{block}_{i}", nn.ReLU(inplace=True)
            channels = width
        stride = pool5_stride if block == 5 else 2
        yield f"pool{block}", nn.MaxPool2d(2, stride, ceil_mode=True)
    dilation = 2 // pool5_stride
    pad = dilation * (fc6_kernel // 2) if padding == "same" else 0
    yield (
        "fc6",
        LargeKernelConv2d(channels, fc_widths[0], fc6_kernel, padding=pad, dilation=dilation),
    )
    yield "relu6", nn.ReLU(inplace=True)
    yield "drop6", nn.Dropout(dropout)
    yield "fc7", nn.Conv2d(fc_widths[0], fc_widths[1], 1)
    yield "relu7", nn.ReLU(inplace=True)
    yield "drop7", nn.Dropout(dropout)
