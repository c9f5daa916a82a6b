"""`.caffemodel` files: layers with their blobs, read one after the other from the mapped file."""

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

from fcn_lightning.weights.caffe import schema, wire
from fcn_lightning.weights.caffe.wire import Field

NET = {1: {2}, 2: {2}, 3: {2}, 4: {0, 2}, 5: {0}, 6: {2}, 7: {0}, 8: {2}, 100: {2}}
"""The fields of Caffe's NetParameter, and the wire types that each may have."""

NAME, LAYERS, LAYER = 1, 2, 100
DATA, DIFF, DOUBLE_DATA, DOUBLE_DIFF = 5, 6, 8, 9
V0_LAYER = 1


@dataclass(frozen=True)
class Layer:
    """A layer as the file has it.

    `param` is its message without the blobs; `type` is "" where an old file has one that no network
    of ours has.
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
    """Reads a `.caffemodel`, of the format with `layer` or of the older one with `layers`.

    The file is mapped and its values are copied once, blob by blob, so that memory stays below the
    size of the file and that of its values.

    Raises:
        OSError: It is not there.
        ValueError: It is cut off or something else, or holds no layers, or a blob is broken.
    """
    name, layers = "", []
    for field in _top(path):
        if field.number == NAME:
            name = bytes(field.body).decode(errors="replace")
        elif field.number in (LAYERS, LAYER):
            layers.append(_layer(path, field))
    if not layers:
        raise ValueError(f"{path} must hold layers; it holds none. Give the .caffemodel itself.")
    return Net(name, tuple(layers))


def _top(path: Path) -> Iterator[Field]:
    with path.open("rb") as file:
        if not path.stat().st_size:
            raise ValueError(f"{path} must be a .caffemodel; it is empty. Fetch it again.")
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    known = False
    try:
        for field in wire.fields(memoryview(mapped)):
            if field.wire not in NET.get(field.number, ()):
                raise ValueError(f"Caffe's network has no field {field.number} of that kind")
            known = known or field.number in (LAYERS, LAYER)
            yield field
            if hasattr(mmap, "MADV_DONTNEED"):
                mapped.madvise(mmap.MADV_DONTNEED)  # its values are copied: let its pages go
    except wire.CutOff as error:
        if not known and mapped[0] not in b"\x0a\x12\xa2":
            raise _something_else(path) from error
        raise ValueError(
            f"{path} must be a whole .caffemodel; it is cut off after {len(mapped)} bytes "
            f"({error}). Fetch it again."
        ) from error
    except ValueError as error:
        if str(error).startswith(str(path)):
            raise
        raise _something_else(path) from error


def _something_else(path: Path) -> ValueError:
    return ValueError(
        f"{path} must be a .caffemodel, or a .pth file of torchfcn or torchvision; it holds "
        "something else. Unpack it first if it is compressed."
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
        raise ValueError(
            f"{path} must hold layers of Caffe; one is damaged ({error}). Fetch it again."
        ) from error
    if not new and any(part.number == V0_LAYER for part in inner):
        raise ValueError(
            f"{path} must be of Caffe's format with `layer` or `layers`; it is of an older one. "
            "Upgrade it by Caffe's upgrade_net_proto_binary."
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
    """A blob's values in its shape, float32; the only copy that is made of them."""
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
        raise ValueError(f"{what} must hold numbers; it is damaged. Fetch it again.") from error
    with np.errstate(over="ignore"):
        values = np.concatenate([np.empty(0, "f4"), *chunks], dtype="f4", casting="same_kind")
    shape = _shape(message)
    if math.prod(shape) != len(values) or min(shape, default=0) < 0:
        raise ValueError(
            f"{what} must hold the {math.prod(shape)} values of its shape "
            f"{' x '.join(map(str, shape))}; it holds {len(values)}. Fetch it again."
        )
    blob = torch.from_numpy(values).view(shape)
    if len(values) and not all(math.isfinite(value) for value in blob.aminmax()):
        raise ValueError(
            f"{what} must hold finite numbers; it holds NaN or infinity. Take a snapshot from "
            "before the training diverged."
        )
    return blob


def _shape(blob: Any) -> tuple[int, ...]:
    """A blob's shape; in old files four numbers, with ones in front."""
    if blob.HasField("shape"):
        return tuple(blob.shape.dim)
    return blob.num, blob.channels, blob.height, blob.width
