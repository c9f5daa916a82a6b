"""GoogLeNet as published, fully convolutional, with Caffe's layer names.

It has 5 x 5 branches and local response normalization, and no batch normalization; torchvision's
GoogLeNet is a different network. The auxiliary classifiers and the final average pooling are left
out, as in Long et al. 2015.

Source: Szegedy et al. 2015, Table 1; BVLC/caffe models/bvlc_googlenet; Long et al. 2015, 4.1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fcn_lightning.models.backbones.chain import Chain
from fcn_lightning.models.geometry import Window

STEM = (64, 64, 192)
"""Channels of `conv1/7x7_s2`, `conv2/3x3_reduce` and `conv2/3x3`."""

INCEPTIONS = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
"""Channels of `1x1`, `3x3_reduce`, `3x3`, `5x5_reduce`, `5x5` and `pool_proj` in each block."""

AVERAGE_POOLING = Window(7)
"""`pool5/7x7_s1` of the classifier, which the FCN discards."""


class Inception(nn.Module):
    """Four branches on one map, concatenated: 1 x 1, 3 x 3, 5 x 5 and pooling.

    Layers have Caffe's names, such as `inception_3a/5x5_reduce`; `branches` lists those of each
    branch in order.
    """

    window = Window(5, pad=2)

    def __init__(self, name: str, channels: int, widths: Sequence[int], suffix: str = "") -> None:
        super().__init__()
        one, reduce3, three, reduce5, five, projection = widths
        self.out_channels = one + three + five + projection
        self.branches: list[list[str]] = []
        self.pool = nn.MaxPool2d(3, 1, padding=1)
        for branch in (
            {"1x1": nn.Conv2d(channels, one, 1)},
            {
                "3x3_reduce": nn.Conv2d(channels, reduce3, 1),
                "3x3": nn.Conv2d(reduce3, three, 3, padding=1),
            },
            {
                "5x5_reduce": nn.Conv2d(channels, reduce5, 1),
                "5x5": nn.Conv2d(reduce5, five, 5, padding=2),
            },
            {"pool_proj": nn.Conv2d(channels, projection, 1)},
        ):
            names = [f"{name}/{layer}{suffix}" for layer in branch]
            for own_name, layer in zip(names, branch.values(), strict=True):
                self.add_module(own_name, layer)
            self.branches.append(names)

    def forward(self, x: Float[Tensor, "n _ h w"]) -> Float[Tensor, "n _ h w"]:
        inputs = (x, x, x, self.pool(x))
        return torch.cat([self._run(names, y) for names, y in zip(self.branches, inputs)], dim=1)

    def _run(self, names: list[str], x: Tensor) -> Tensor:
        for name in names:
            x = self.get_submodule(name)(x).relu_()
        return x


def googlenet(
    stem: Sequence[int] = STEM,
    inceptions: Sequence[Sequence[int]] = tuple(INCEPTIONS.values()),
    padding: int | str = "same",
    dropout: float = 0.4,
    suffix: str = "",
) -> Chain:
    """GoogLeNet with endpoints `pool1` to `pool4` and `inception_5b`, of strides 4 to 32 and 32.

    Args:
        stem: Channels of the three convolutions before the first block (STEM).
        inceptions: Channels of the six layers in each of the nine blocks (INCEPTIONS).
        padding: "same" as published; 100 pads conv1 by 100 pixels, as the reference does in its
            other networks.
        dropout: Dropout probability after the last block.
        suffix: Appended to the name of each layer.

    Raises:
        ValueError: An argument is out of range; the message names it.
    """
    sizes = [stem, *inceptions]
    shape = [len(STEM), *map(len, INCEPTIONS.values())]
    if [len(group) for group in sizes] != shape or min(map(min, sizes)) < 1:
        raise ValueError(
            "googlenet needs three widths in `stem` and six in each of nine `inceptions`, each "
            f"1 or more; got {[list(group) for group in sizes]}."
        )
    if padding not in (100, "same"):
        raise ValueError(f"`padding` must be 100 or 'same'; got {padding!r}.")
    if not 0 <= dropout < 1:
        raise ValueError(f"`dropout` must be 0 or more and below 1; got {dropout}.")
    layers = _layers(stem, inceptions, padding, dropout, suffix)
    return Chain(layers, "inception_5b", suffix, discarded=[AVERAGE_POOLING])


def _layers(
    stem: Sequence[int],
    inceptions: Sequence[Sequence[int]],
    padding: int | str,
    dropout: float,
    suffix: str,
) -> Iterator[tuple[str, nn.Module]]:
    first, reduced, channels = stem
    yield "conv1/7x7_s2", nn.Conv2d(3, first, 7, 2, 100 if padding == 100 else 3)
    yield "conv1/relu_7x7", nn.ReLU(inplace=True)
    yield "pool1/3x3_s2", nn.MaxPool2d(3, 2, ceil_mode=True)
    yield "pool1/norm1", nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0)
    yield "conv2/3x3_reduce", nn.Conv2d(first, reduced, 1)
    yield "conv2/relu_3x3_reduce", nn.ReLU(inplace=True)
    yield "conv2/3x3", nn.Conv2d(reduced, channels, 3, padding=1)
    yield "conv2/relu_3x3", nn.ReLU(inplace=True)
    yield "conv2/norm2", nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0)
    yield "pool2/3x3_s2", nn.MaxPool2d(3, 2, ceil_mode=True)
    for name, widths in zip(INCEPTIONS, inceptions, strict=True):
        block = Inception(f"inception_{name}", channels, widths, suffix)
        channels = block.out_channels
        yield f"inception_{name}", block
        if name in ("3b", "4e"):
            number = int(name[0])
            yield f"pool{number}/3x3_s2", nn.MaxPool2d(3, 2, ceil_mode=True)
    yield "pool5/drop_7x7_s1", nn.Dropout(dropout)
