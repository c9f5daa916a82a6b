"""Files that `torch.save` or safetensors wrote."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fcn_lightning.formats.others import WRAPPERS, what_file
from fcn_lightning.plain_values import check_count


def load(path: Path, *, mmap: bool = False) -> Mapping[str, Any]:
    """Read plain values and tensors; objects of other classes are never created.

    Args:
        path: The file.
        mmap: Leave the tensors on disk until they are used.

    Raises:
        ValueError: The file is damaged, of another format, holds other objects, or claims to hold
            more than it does.
    """
    kind = what_file(path)
    if kind == "safetensors":
        return _by_name(path, _load_safetensors(path), Tensor)
    _check_sizes(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=mmap or None)
    except Exception as error:  # a file of another format makes torch raise almost anything
        if kind:
            raise ValueError(f"{path} is not a checkpoint or weight file. It is {kind}.") from error
        raise ValueError(
            f"{path} is not a readable checkpoint or weight file: it is truncated, of another "
            "format, or contains more than plain values and tensors. Save or download it again; "
            "import a .caffemodel with `fcn import`."
        ) from error
    check_count(path, content)
    return _by_name(path, content, object)


def check_state(path: Path, content: Mapping[str, Any]) -> Mapping[str, Tensor]:
    """Return the weights in a file's content, which a training program may have wrapped.

    The prefix `module.` of DataParallel is removed.

    Raises:
        ValueError: There are no tensors by name.
    """
    for key in WRAPPERS:
        if isinstance(content.get(key), Mapping):
            content = content[key]
            break
    state = check_tensors(path, _by_name(path, content or None, Tensor))
    if all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): value for name, value in state.items()}
    return state


def _check_sizes(path: Path) -> None:
    """Refuse an archive whose parts unpack to more than its own size; torch writes no such file.

    Raises:
        ValueError: A small file could fill the memory.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            total = sum(part.file_size for part in archive.infolist())
    except Exception:  # no archive, or a damaged one: torch says which
        return
    if total > path.stat().st_size:
        raise ValueError(
            f"{path} has {path.stat().st_size:,} bytes and unpacks to {total:,}; torch.save does "
            "not compress. Save it again with torch.save."
        )


def check_tensors(path: Path, state: Mapping[str, Any]) -> Mapping[str, Tensor]:
    """Return weights if they are dense arrays of real numbers, all of which the file stores.

    A file can claim any number of values, by steps of 0 between them.

    Raises:
        ValueError: They are something else, or using them could fill the memory.
    """
    for name, value in state.items():
        plain = isinstance(value, Tensor) and value.layout == torch.strided
        if not plain or value.device.type != "cpu" or value.is_complex() or value.is_quantized:
            raise ValueError(
                f"{path}: `{name}` is not a dense array of real numbers. Save the network's "
                "`state_dict()`."
            )
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise ValueError(
                f"{path}: `{name}` claims {value.numel():,} values, which the file does not store. "
                "Save the network's `state_dict()`."
            )
    return state


def _load_safetensors(path: Path) -> Mapping[str, Tensor]:
    try:
        from safetensors.torch import load_file
    except ImportError as error:
        raise ValueError(
            f"{path} needs the package safetensors: pip install 'fcn-lightning[timm]'."
        ) from error
    try:
        return load_file(path)
    except Exception as error:
        raise ValueError(f"{path} is a damaged safetensors file. Download it again.") from error


def _by_name(path: Path, content: Any, kind: type) -> Mapping[str, Any]:
    if isinstance(content, Mapping) and all(
        isinstance(name, str) and isinstance(value, kind) for name, value in content.items()
    ):
        return content
    raise ValueError(
        f"{path} contains no weights by layer name. Save the network's `state_dict()`."
    )
