"""Exports a network as `.prototxt` and `.caffemodel`, for other tools to run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

from google.protobuf import text_format
from torch import Tensor

from fcn_lightning.files import check_target, replacing
from fcn_lightning.formats.caffe import schema, wire
from fcn_lightning.formats.caffe.caffemodel import normalized_name
from fcn_lightning.formats.caffe.deploy import deploy
from fcn_lightning.formats.caffe.layers import Deploy
from fcn_lightning.models import Network
from fcn_lightning.models.normalize import NORMALIZATIONS, Normalization


def write(
    network: Network, stem: Path, *, size: tuple[int, int] = (500, 500), overwrite: bool = False
) -> tuple[Path, Path]:
    """Write STEM.prototxt, in deploy form, and STEM.caffemodel; return their paths.

    Args:
        network: An FCN of one or several modalities.
        stem: The files' path without suffix.
        size: (h, w) of the input that the deploy form declares; Caffe can reshape it.
        overwrite: Replaces existing files.

    Raises:
        OSError: A file cannot be written.
        ValueError: Caffe cannot express the network, or a file exists.
    """
    net = deploy(network, size)
    normalize = network.description["normalize"]
    name = normalized_name(str(network.description["backbone"]["name"]), normalize)
    prototxt, caffemodel = (
        stem.with_name(stem.name + suffix) for suffix in (".prototxt", ".caffemodel")
    )
    for path in (prototxt, caffemodel):
        check_target(path, overwrite=overwrite)
    with replacing(prototxt) as text, replacing(caffemodel) as binary:
        message = schema.NetParameter(name=name, layer=[layer for layer, _ in net.layers])
        text.write_text(_comments(normalize) + text_format.MessageToString(message))
        with binary.open("wb") as file:
            _write(file, name, net)
    return prototxt, caffemodel


def _comments(normalize: str | dict[str, str]) -> str:
    """Comments on the values that each input takes."""
    parts = {"data": normalize} if isinstance(normalize, str) else normalize
    lines = {data: _formula(NORMALIZATIONS[name]) for data, name in parts.items()}
    return "".join(f"# {data}: {formula}\n" for data, formula in lines.items())


def _formula(how: Normalization) -> str:
    means, scales = (", ".join(map(str, values)) for values in (how.mean, how.scale))
    value = "the logarithm" if how.log else "BGR, 0..255," if how.bgr else "0..255"
    return f"{value} minus {means}" + (f", divided by {scales}" if set(how.scale) != {1} else "")


def _write(file: BinaryIO, name: str, net: Deploy) -> None:
    """Write blob by blob, so that the weights are never copied as a whole."""
    file.write(schema.NetParameter(name=name).SerializeToString())
    number = schema.number_of(schema.NetParameter, "layer")
    for message, blobs in net.layers:
        content = message.SerializeToString()
        heads = [_head(blob) for blob in blobs]
        length = sum(len(head) + _size(blob) for head, blob in zip(heads, blobs, strict=True))
        file.write(wire.head(number, len(content) + length) + content)
        for head, blob in zip(heads, blobs, strict=True):
            file.write(head)
            blob.float().cpu().contiguous().numpy().tofile(file)


def _head(blob: Tensor) -> bytes:
    """A blob's field without its values, which follow."""
    shape: Any = schema.BlobProto(shape={"dim": list(blob.shape)})
    data = wire.head(schema.number_of(schema.BlobProto, "data"), _size(blob))
    content = shape.SerializeToString() + data
    number = schema.number_of(schema.LayerParameter, "blobs")
    return wire.head(number, len(content) + _size(blob)) + content


def _size(blob: Tensor) -> int:
    return 4 * blob.numel()
