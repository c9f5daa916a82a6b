"""Files that `torch.save` or safetensors wrote."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fcn_lightning.formats.others import WRAPPERS, what_file


def load(path: Path, *, mmap: bool = False) -> Mapping[str, Any]:
    """Read plain values and tensors; objects of other classes are never created.

    Args:
        path: The file.
        mmap: Leave the tensors on disk until they are used.

    Raises:
        ValueError: The file is damaged, of another format, or holds other objects.
    """
    kind = what_file(path)
    if kind == "safetensors":
        return _by_name(path, _load_safetensors(path), Tensor)
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
    state = _by_name(path, content or None, Tensor)
    if all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): value for name, value in state.items()}
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
