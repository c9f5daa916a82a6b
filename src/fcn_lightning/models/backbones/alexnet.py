"""Two variants of AlexNet, fully convolutional, with Caffe's layer names.

`caffenet` is the papers' AlexNet: CaffeNet, with grouped convolutions and local response
normalization. `alexnet` is torchvision's AlexNet of 2014: one tower, no groups, no normalization,
64 channels in conv1.

Source: Krizhevsky et al. 2012 and Krizhevsky 2014, "One weird trick for parallelizing convolutional
neural networks"; Long et al. 2015, 4.1; shelhamer/fcn.berkeleyvision.org voc-fcn-alexnet/net.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import nn

from fcn_lightning.models.backbones.chain import Chain, check_sizes
from fcn_lightning.models.backbones.cpu import LargeKernelConv2d


def caffenet(
    widths: Sequence[int] = (96, 256, 384, 384, 256),
    fc_widths: Sequence[int] = (4096, 4096),
    fc6_kernel: int = 6,
    padding: int | str = 100,
    dropout: float = 0.5,
    suffix: str = "",
) -> Chain:
    """CaffeNet with endpoints `pool1`, `pool2`, `pool5` and `fc7`, of strides 8, 16, 32 and 32.

    conv2, conv4 and conv5 have two groups; response normalization follows pool1 and pool2.

    Args:
        widths: Channels of the five convolutions, all even.
        fc_widths: Channels of fc6 and fc7.
        fc6_kernel: Kernel of fc6: the side of pool5's map in the classifier.
        padding: 100 pads conv1 by 100 pixels as the reference does; "same" keeps the map aligned
            with the image.
        dropout: Dropout probability after fc6 and fc7.
        suffix: Appended to the name of each layer.

    Raises:
        ValueError: An argument is out of range; the message names it.
    """
    check_sizes("caffenet", widths, fc_widths, padding, dropout)
    if any(width % 2 for width in widths):
        raise ValueError(
            f"The `widths` of caffenet must be even, for two groups; got {list(widths)}."
        )
    layers = _layers(widths, fc_widths, fc6_kernel, padding, dropout, groups=2, normalized=True)
    return Chain(layers, last="fc7", suffix=suffix)


def alexnet(
    widths: Sequence[int] = (64, 192, 384, 256, 256),
    fc_widths: Sequence[int] = (4096, 4096),
    fc6_kernel: int = 6,
    padding: int | str = 100,
    dropout: float = 0.5,
    suffix: str = "",
) -> Chain:
    """AlexNet of torchvision, with the endpoints and arguments of `caffenet`.

    Raises:
        ValueError: An argument is out of range; the message names it.
    """
    check_sizes("alexnet", widths, fc_widths, padding, dropout)
    layers = _layers(widths, fc_widths, fc6_kernel, padding, dropout, groups=1, normalized=False)
    return Chain(layers, last="fc7", suffix=suffix)


def _layers(
    widths: Sequence[int],
    fc_widths: Sequence[int],
    fc6_kernel: int,
    padding: int | str,
    dropout: float,
    *,
    groups: int,
    normalized: bool,
) -> Iterator[tuple[str, nn.Module]]:
    kernels, pads = (11, 5, 3, 3, 3), (100 if padding == 100 else 5, 2, 1, 1, 1)
    channels = 3
    for i, (width, kernel, pad) in enumerate(zip(widths, kernels, pads, strict=True), start=1):
        stride, shared = (4 if i == 1 else 1), (groups if i in (2, 4, 5) else 1)
        yield f"conv{i}", nn.Conv2d(channels, width, kernel, stride, pad, groups=shared)
        yield f"relu{i}", nn.ReLU(inplace=True)
        channels = width
        if i in (1, 2, 5):
            yield f"pool{i}", nn.MaxPool2d(3, 2, ceil_mode=True)
        if i in (1, 2) and normalized:
            yield f"norm{i}", nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0)
    pad6 = fc6_kernel // 2 if padding == "same" else 0
    yield "fc6", LargeKernelConv2d(channels, fc_widths[0], fc6_kernel, padding=pad6)
    yield "relu6", nn.ReLU(inplace=True)
    yield "drop6", nn.Dropout(dropout)
    yield "fc7", nn.Conv2d(fc_widths[0], fc_widths[1], 1)
    yield "relu7", nn.ReLU(inplace=True)
    yield "drop7", nn.Dropout(dropout)
