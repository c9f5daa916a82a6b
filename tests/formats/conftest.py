"""Networks of every kind with few channels, and small Caffe files."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fcn_lightning.formats.caffe import schema
from fcn_lightning.models import Network, build

VGG = {"name": "vgg16", "widths": [4, 8, 16, 32, 32], "fc_widths": [64, 64]}
CAFFENET = {"name": "caffenet", "widths": [6, 16, 24, 24, 16], "fc_widths": [64, 64]}
GOOGLENET = {"name": "googlenet", "stem": [4, 4, 8], "inceptions": [[4, 4, 8, 2, 4, 4]] * 9}
EIGHT = ["pool4", "pool3"]

NETWORKS: dict[str, dict[str, Any]] = {
    "voc-fcn32s": {"backbone": VGG, "num_classes": 21},
    "voc-fcn16s": {"backbone": VGG, "head": {"skips": EIGHT[:1]}, "num_classes": 21},
    "voc-fcn8s": {"backbone": VGG, "head": {"skips": EIGHT}, "num_classes": 21},
    "voc-fcn8s-atonce": {
        "backbone": VGG,
        "head": {"skips": EIGHT, "scales": [0.01, 0.0001]},
        "num_classes": 21,
    },
    "voc-fcn-alexnet": {"backbone": CAFFENET, "num_classes": 21},
    "pascalcontext-fcn8s": {
        "backbone": VGG,
        "head": {"skips": EIGHT},
        "num_classes": 60,
        "normalize": "pascal_context",
    },
    "siftflow-fcn8s": {
        "backbone": VGG,
        "head": {"skips": EIGHT},
        "num_classes": {"sem": 33, "geo": 3},
        "normalize": "siftflow",
    },
    "nyud-fcn32s-color": {"backbone": VGG, "num_classes": 40, "normalize": "nyud_color"},
    "nyud-fcn32s-hha": {"backbone": VGG, "num_classes": 40, "normalize": "nyud_hha"},
    "nyud-fcn32s-color-d": {
        "backbone": VGG,
        "num_classes": 40,
        "normalize": {"color": "nyud_color", "depth": "nyud_depth"},
        "fusion": "early",
    },
    "nyud-fcn32s-color-hha": {
        "backbone": VGG,
        "num_classes": 40,
        "normalize": {"color": "nyud_color", "hha": "nyud_hha"},
        "fusion": "late",
    },
    "nyud-fcn16s-color-hha": {
        "backbone": VGG,
        "head": {"skips": EIGHT[:1]},
        "num_classes": 40,
        "normalize": {"color": "nyud_color", "hha": "nyud_hha"},
        "fusion": "late",
    },
    "voc-fcn-googlenet": {"backbone": GOOGLENET, "num_classes": 21},
    "googlenet-pad100": {"backbone": {**GOOGLENET, "padding": 100}, "num_classes": 4},
    "alexnet": {"backbone": {**CAFFENET, "name": "alexnet"}, "num_classes": 5},
    "same": {
        "backbone": {**VGG, "padding": "same", "fc6_kernel": 3},
        "head": {"skips": EIGHT},
        "num_classes": 3,
    },
    "learned": {
        "backbone": VGG,
        "head": {"skips": EIGHT, "upscore": "learned"},
        "num_classes": 4,
        "normalize": "torchvision",
    },
    "all": {"backbone": VGG, "head": {"upscore": "all"}, "num_classes": 4},
}


@pytest.fixture
def network() -> Callable[[str], Network]:
    """Builds one of NETWORKS with random scoring and learned upscore layers."""

    def make(kind: str) -> Network:
        made = build(**{"head": {}, **NETWORKS[kind]})
        for name, parameter in made.named_parameters():
            if name.split(".")[-2].startswith(("score", "upscore")):
                nn.init.normal_(parameter, std=0.005)
        return made.eval()

    return make


@pytest.fixture
def golden(shared: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Unpacks one of the reference's `.caffemodel` files."""

    def unpack(name: str) -> Path:
        path = tmp_path / f"{name}.caffemodel"
        packed = shared / "golden" / f"{name}_narrow.caffemodel.gz"
        path.write_bytes(gzip.decompress(packed.read_bytes()))
        return path

    return unpack


def blob(values: Tensor, shape: Sequence[int] | None = None, *, old: bool, double: bool) -> Any:
    """A blob's message; in the old format its shape is four numbers."""
    shape = list(values.shape if shape is None else shape)
    data = values.double().numpy().tobytes() if double else values.float().numpy().tobytes()
    message = schema.BlobProto(**{"double_data" if double else "data": data})
    if old:
        four = [1] * (4 - len(shape)) + shape
        message.num, message.channels, message.height, message.width = four
    else:
        message.shape.dim.extend(shape)
    return message


@pytest.fixture
def caffemodel(tmp_path: Path) -> Callable[..., Path]:
    """Writes a file of layers with blobs: Convolution, or InnerProduct if the weight is 2-D."""

    def write(
        layers: Mapping[str, Sequence[Tensor]],
        *,
        old: bool = False,
        double: bool = False,
        types: Mapping[str, str] | None = None,
        extra: Sequence[Any] = (),
        shapes: Mapping[str, Sequence[int]] | None = None,
        name: str = "net",
    ) -> Path:
        net = schema.NetParameter(name=name)
        numbers = {name: number for number, name in schema.V1_TYPES.items()}
        for layer, blobs in layers.items():
            kind = "InnerProduct" if blobs[0].ndim == 2 else "Convolution"
            kind = (types or {}).get(layer, kind)
            into = net.layers if old else net.layer
            messages = [blob(b, (shapes or {}).get(layer), old=old, double=double) for b in blobs]
            into.add(name=layer, type=numbers[kind] if old else kind, blobs=messages)
        net.layer.extend(extra)
        path = tmp_path / "given.caffemodel"
        path.write_bytes(net.SerializeToString())
        return path

    return write


def of(*shape: int) -> list[Tensor]:
    """A random weight and bias."""
    return [torch.randn(shape) * 0.1, torch.randn(shape[0]) * 0.1]


@pytest.fixture
def vgg() -> dict[str, list[Tensor]]:
    """The blobs of a narrow VGG-16 classifier."""
    widths, channels, layers = VGG["widths"], 3, {}
    for block, (count, width) in enumerate(zip((2, 2, 3, 3, 3), widths, strict=True), start=1):
        for i in range(1, count + 1):
            layers[f"conv{block}_{i}"] = of(width, channels, 3, 3)
            channels = width
    return layers | {"fc6": of(64, 32 * 49), "fc7": of(64, 64), "fc8": of(1000, 64)}


@pytest.fixture
def caffenet() -> dict[str, list[Tensor]]:
    """The blobs of a narrow CaffeNet classifier."""
    return {
        "conv1": of(6, 3, 11, 11),
        "conv2": of(16, 3, 5, 5),
        "conv3": of(24, 16, 3, 3),
        "conv4": of(24, 12, 3, 3),
        "conv5": of(16, 12, 3, 3),
        "fc6": of(64, 16 * 36),
        "fc7": of(64, 64),
        "fc8": of(1000, 64),
    }
