"""Reads the layers and blobs of a `.caffemodel`, one by one from the mapped file."""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from google.protobuf.message import DecodeError
from torch import Tensor

from fcn_lightning.formats.caffe import schema, wire
from fcn_lightning.formats.caffe.wire import Field

NET = {1: {2}, 2: {2}, 3: {2}, 4: {0, 2}, 5: {0}, 6: {2}, 7: {0}, 8: {2}, 100: {2}}
"""The fields of Caffe's NetParameter, and the wire types of each."""

NAME, LAYERS, LAYER = 1, 2, 100
DATA, DIFF, DOUBLE_DATA, DOUBLE_DIFF = 5, 6, 8, 9
V0_LAYER = 1


@dataclass(frozen=True)
class Layer:
    """A layer of the file.

    `param` is its message without the blobs. `type` is "" for a type of the old format that no
    supported network has.
    """

    name: str
    type: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    blobs: tuple[Tensor, ...]
    param: Any


@dataclass(frozen=True)
class Net:
    """A network's name and layers."""

    name: str
    layers: tuple[Layer, ...]


def read(path: Path) -> Net:
    """Read a `.caffemodel`, in the format with `layer` or the older one with `layers`.

    The file is mapped and its values are copied once, blob by blob: the peak memory is the size of
    the file plus that of its values.

    Raises:
        OSError: The file cannot be read.
        ValueError: The file is truncated, of another format, or has no layers or a damaged blob.
    """
    name, layers = "", []
    for field in _top(path):
        if field.number == NAME:
            name = bytes(field.body).decode(errors="replace")
        elif field.number in (LAYERS, LAYER):
            layers.append(_layer(path, field))
    if not layers:
        raise ValueError(f"{path} has no layers. Import the .caffemodel itself.")
    return Net(name, tuple(layers))


def _top(path: Path) -> Iterator[Field]:
    with path.open("rb") as file:
        if not path.stat().st_size:
            raise ValueError(f"{path} is empty. Download it again.")
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    known = False
    try:
        for field in wire.fields(memoryview(mapped)):
            if field.wire not in NET.get(field.number, ()):
                raise ValueError(f"Caffe's network has no field {field.number} of that kind")
            known = known or field.number in (LAYERS, LAYER)
            yield field
            if hasattr(mmap, "MADV_DONTNEED"):
                mapped.madvise(mmap.MADV_DONTNEED)  # the field is copied: free its pages
    except wire.Truncated as error:
        if not known and mapped[0] not in b"\x0a\x12\xa2":
            raise _other_format(path) from error
        raise ValueError(
            f"{path} is truncated after {len(mapped)} bytes ({error}). Download it again."
        ) from error
    except ValueError as error:
        raise _other_format(path) from error


def _other_format(path: Path) -> ValueError:
    return ValueError(
        f"{path} is neither a .caffemodel nor a .pth file of torchfcn or torchvision. Decompress "
        "it first if it is compressed."
    )


def _layer(path: Path, field: Field) -> Layer:
    new = field.number == LAYER
    kind = schema.LayerParameter if new else schema.V1LayerParameter
    blobs = schema.number_of(kind, "blobs")
    try:
        inner = list(wire.fields(field.body))
        param = kind.FromString(b"".join(part.raw for part in inner if part.number != blobs))
        for name in (param.name, *param.bottom, *param.top):
            str(name, "utf-8") if isinstance(name, bytes) else name.encode()
    except (ValueError, DecodeError) as error:
        raise ValueError(f"{path} has a damaged layer ({error}). Download it again.") from error
    if not new and any(part.number == V0_LAYER for part in inner):
        raise ValueError(
            f"{path} has Caffe's V0 format, which is not supported. Upgrade it with Caffe's "
            "upgrade_net_proto_binary."
        )
    values = [
        _blob(f"{path}: blob {i} of `{param.name}`", part.body)
        for i, part in enumerate(part for part in inner if part.number == blobs)
    ]
    return Layer(
        name=param.name,
        type=param.type if new else schema.V1_TYPES.get(param.type, ""),
        bottoms=tuple(param.bottom),
        tops=tuple(param.top),
        blobs=tuple(values),
        param=param,
    )


def _blob(what: str, body: memoryview) -> Tensor:
    """A copy of a blob's values in its shape, float32."""
    try:
        inner = list(wire.fields(body))
        large = (DATA, DIFF, DOUBLE_DATA, DOUBLE_DIFF)
        message = schema.BlobProto.FromString(
            b"".join(part.raw for part in inner if part.number not in large)
        )
        chunks = [
            np.frombuffer(part.body, "<f4" if part.number == DATA else "<f8")
            for part in inner
            if part.number in (DATA, DOUBLE_DATA) and len(part.body)
        ]
    except (ValueError, DecodeError) as error:
        raise ValueError(f"{what} is damaged. Download the file again.") from error
    with np.errstate(over="ignore"):
        values = np.concatenate([np.empty(0, "f4"), *chunks], dtype="f4", casting="same_kind")
    shape = _shape(message)
    if math.prod(shape) != len(values) or min(shape, default=0) < 0:
        raise ValueError(
            f"{what} has {len(values)} values; its shape {shape} requires {math.prod(shape)}. "
            "Download the file again."
        )
    blob = torch.from_numpy(values).view(shape)
    if len(values) and not all(math.isfinite(value) for value in blob.aminmax()):
        raise ValueError(
            f"{what} contains NaN or infinity. Use a snapshot from before the training diverged."
        )
    return blob


def _shape(blob: Any) -> tuple[int, ...]:
    """A blob's shape; old files have four numbers, of which the first ones may be 1."""
    if blob.HasField("shape"):
        return tuple(blob.shape.dim)
    return blob.num, blob.channels, blob.height, blob.width
