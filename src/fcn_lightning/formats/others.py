"""Names what a file is that holds no network of this project."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

BY_BYTES = {
    b"": "empty",
    b"version https://git-lfs": "a pointer of Git LFS, not the file itself: run `git lfs pull`",
    b"<": "a web page or XML, perhaps of a failed download",
    b"\x89HDF": "HDF5, as Keras writes it",
    b"\x93NUMPY": "a NumPy array",
    b"\x1f\x8b": "compressed with gzip: unpack it first",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8": "a JPEG image",
    b"GGUF": "GGUF, weights of a language model",
    b"{": "JSON text",
}
"""The first bytes of files that torch cannot load, and what such a file is."""

BY_LAYERS = {
    r"aux_classifier\.|backbone\.(layer\d|\d+)\.": "torchvision's segmentation network",
    r"layer[1-4]\.\d+\.(conv|bn)\d\b": "a ResNet",
    r"stages\.\d+\.blocks\.\d+\.(conv_dw|gamma)|stages\.\d+\.\d+\.dwconv": "a ConvNeXt",
    r"blocks\.\d+\.\d+\.(conv_dw|conv_pw|bn1)": "an EfficientNet or MobileNet",
    r"(^|\.)(blocks|layers|layer|block)\.\d+\..*(attn|attention)\b": "a transformer",
    r"inception[345]|Mixed_\d": "an Inception network with batch normalization",
    r"features\.denseblock\d": "a DenseNet",
    r"features\.\d+\.running_mean": "torchvision's VGG with batch normalization",
    r"model\.diffusion_model\.": "a diffusion model",
    r"(enc|dec|down|up)\d*\.|inc\.double_conv": "a U-Net",
}
"""Names of layers, and the network that has them."""

WITH_TIMM = ("a ResNet", "a ConvNeXt", "an EfficientNet or MobileNet", "a DenseNet")

WRAPPERS = ("model_state_dict", "state_dict", "model_state", "model", "network", "net")
"""The keys below which training programs save a network's weights."""


def what_file(path: Path) -> str | None:
    """The kind of a file that torch cannot load, by its first bytes; None if unknown."""
    with path.open("rb") as file:
        first = file.read(64).lstrip(b"\xef\xbb\xbf \r\n\t")
    if len(first) > 8 and first[8:9] == b"{":
        return "safetensors"
    return next(
        (
            name
            for start, name in BY_BYTES.items()
            if first.startswith(start) and (start or not first)
        ),
        None,
    )


def what_layers(names: Iterable[str]) -> str | None:
    """The network to which layers of these names belong; None if unknown."""
    text = "\n".join(names)
    return next(
        (name for layers, name in BY_LAYERS.items() if re.search(layers, text, re.MULTILINE)), None
    )


def advice(network: str | None) -> str:
    """Advice on the weights of another network."""
    if network in WITH_TIMM:
        return " Use it with backbone=timm backbone.model=NAME classifier=FILE."
    return ""
