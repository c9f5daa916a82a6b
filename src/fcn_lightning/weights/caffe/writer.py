"""`.prototxt` and `.caffemodel` of a network, so that others' tools can run it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

from google.protobuf import text_format
from torch import Tensor

from fcn_lightning.models import Network
from fcn_lightning.models.normalize import NORMALIZATIONS, Normalization
from fcn_lightning.weights.caffe import schema, wire
from fcn_lightning.weights.caffe.deploy import deploy
from fcn_lightning.weights.caffe.layers import Deploy
from fcn_lightning.weights.caffe.source import normalized_name
from fcn_lightning.weights.files import replacing


def write(
    network: Network, stem: Path, *, size: tuple[int, int] = (500, 500), overwrite: bool = False
) -> tuple[Path, Path]:
    """Writes STEM.prototxt, in deploy form, and STEM.caffemodel; returns the two.

    Args:
        network: An FCN, of one modality or several.
        stem: Both files' path without their endings.
        size: (h, w) of the input that the deploy form declares; Caffe reshapes it to any other.
        overwrite: Replaces files that are there.

    Raises:
        OSError: A file cannot be written.
        ValueError: Caffe has no such network, or a file is there already.
    """
    net = deploy(network, size)
    own = network.description
    name = normalized_name(str(own["backbone"]["name"]), own["normalize"])
    paths = tuple(stem.with_name(stem.name + ending) for ending in (".prototxt", ".caffemodel"))
    with replacing(*paths, overwrite=overwrite) as (text, binary):
        layers = [layer for layer, _ in net.layers]
        message = schema.NetParameter(name=name, layer=layers)
        text.write_text(_input_of(own["normalize"]) + text_format.MessageToString(message))
        with binary.open("wb") as file:
            _write(file, name, net)
    return paths[0], paths[1]


def _input_of(normalize: str | dict[str, str]) -> str:
    """Comments that say what each input takes."""
    parts = {"data": normalize} if isinstance(normalize, str) else normalize
    return "".join(f"# {data}: {_in_words(NORMALIZATIONS[own])}\n" for data, own in parts.items())


def _in_words(own: Normalization) -> str:
    means, scales = (", ".join(map(str, values)) for values in (own.mean, own.scale))
    what = "the logarithm" if own.log else "BGR, 0..255," if own.bgr else "0..255"
    return f"{what} minus {means}" + (f", divided by {scales}" if set(own.scale) != {1} else "")


def _write(file: BinaryIO, name: str, net: Deploy) -> None:
    """Layer by layer and blob by blob, so that no second copy of the weights is made."""
    file.write(schema.NetParameter(name=name).SerializeToString())
    number = schema.number_of(schema.NetParameter, "layer")
    for message, blobs in net.layers:
        own = message.SerializeToString()
        heads = [_head(blob) for blob in blobs]
        length = sum(len(head) + _size(blob) for head, blob in zip(heads, blobs, strict=True))
        file.write(wire.head(number, len(own) + length) + own)
        for head, blob in zip(heads, blobs, strict=True):
            file.write(head)
            blob.float().cpu().contiguous().numpy().tofile(file)


def _head(blob: Tensor) -> bytes:
    """All of a blob's field but its values."""
    shape: Any = schema.BlobProto(shape={"dim": list(blob.shape)})
    data = wire.head(schema.number_of(schema.BlobProto, "data"), _size(blob))
    own = shape.SerializeToString() + data
    number = schema.number_of(schema.LayerParameter, "blobs")
    return wire.head(number, len(own) + _size(blob)) + own


def _size(blob: Tensor) -> int:
    return 4 * blob.numel()
