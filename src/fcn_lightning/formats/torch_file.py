"""Files that `torch.save` wrote."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


def load(path: Path) -> Mapping[str, Any]:
    """Read plain values and tensors; objects of other classes are never created.

    Raises:
        ValueError: The file is damaged, of another format, or holds other objects.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a file of another format makes torch raise almost anything
        raise ValueError(
            f"{path} is not a readable checkpoint or weight file: it is truncated, of another "
            "format, or contains more than plain values and tensors. Save or download it again; "
            "import a .caffemodel with `fcn import`."
        ) from error
    return _by_name(path, content, object)


def check_state(path: Path, state: object) -> Mapping[str, Tensor]:
    """Return `state` if it maps names to tensors; raise a ValueError otherwise."""
    return _by_name(path, state or None, Tensor)


def _by_name(path: Path, content: Any, kind: type) -> Mapping[str, Any]:
    if isinstance(content, Mapping) and all(
        isinstance(name, str) and isinstance(value, kind) for name, value in content.items()
    ):
        return content
    raise ValueError(
        f"{path} contains no weights by layer name. Save the network's `state_dict()`."
    )
