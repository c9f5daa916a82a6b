"""The images and labels of golden files, as the networks take them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from fcn_lightning.fidelity.cases import Case
from fcn_lightning.fidelity.compare import Array
from fcn_lightning.fidelity.files import misfit
from fcn_lightning.labels import VOID
from fcn_lightning.models.normalize import NORMALIZATIONS


def rgb_image(case: Case, key: str, values: Array) -> Tensor:
    """An image (h, w, 3) as (1, 3, h, w).

    Raises:
        ValueError: It is none, or of another size than the file's name says.
    """
    if values.ndim != 3 or values.shape[2] != 3 or values.dtype != np.uint8:
        raise misfit(case.path, f"hold `{key}` as (h, w, 3) uint8", _kind(values))
    check_size(case, key, values.shape[:2])
    return torch.from_numpy(values).permute(2, 0, 1)[None]


def normalized_image(case: Case, key: str, values: Array, normalization: str) -> Tensor:
    """An image (channels, h, w) behind its normalization, as (1, channels, h, w) float32.

    Raises:
        ValueError: Its channels are not those of the normalization, or its size is not the one
            that the file's name says.
    """
    channels = len(NORMALIZATIONS[normalization].mean)
    if values.ndim != 3 or values.shape[0] != channels:
        raise misfit(case.path, f"hold `{key}` as ({channels}, h, w)", _kind(values))
    check_size(case, key, values.shape[1:])
    return torch.from_numpy(values.astype(np.float32))[None]


def moved(
    image: Tensor | Mapping[str, Tensor], device: str | torch.device
) -> Tensor | dict[str, Tensor]:
    """An image, or one of each modality, on a device."""
    if isinstance(image, Tensor):
        return image.to(device)
    return {name: part.to(device) for name, part in image.items()}


def label(case: Case, key: str, values: Array, image: Tensor, num_classes: int) -> Tensor:
    """The label (h, w) of an image, as (1, h, w).

    Raises:
        ValueError: It is of another size than the image, or holds what is no class.
    """
    if values.shape != tuple(image.shape[2:]) or values.dtype.kind not in "ui":
        size = " x ".join(map(str, image.shape[2:]))
        raise misfit(
            case.path, f"hold `{key}` as whole numbers of the image's {size}", _kind(values)
        )
    unknown = values[(values != VOID) & ((values < 0) | (values >= num_classes))]
    if unknown.size:
        raise misfit(
            case.path, f"hold labels below {num_classes}, and {VOID}, in `{key}`", unknown[0]
        )
    return torch.from_numpy(values)[None]


def check_size(case: Case, key: str, size: tuple[int, ...]) -> None:
    """Raises a ValueError unless the size is the one that the file's name says, if it says one."""
    if case.size not in (None, tuple(size)):
        raise misfit(case.path, f"hold `{key}` of the size in its name", " x ".join(map(str, size)))


def _kind(values: Array) -> str:
    return f"{values.shape} {values.dtype}"
