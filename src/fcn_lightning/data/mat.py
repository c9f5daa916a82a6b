"""Label maps in MATLAB files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy import ndarray

from fcn_lightning.labels import VOID


def read_mat(path: Path, key: str) -> ndarray:
    """Read a matrix of whole numbers, (h, w) int32.

    Raises:
        ValueError: The file has no such key, or its values are not whole numbers.
    """
    import scipy.io  # takes half a second

    content = scipy.io.loadmat(path, variable_names=[key])
    if key not in content:
        raise ValueError(f"it has no `{key}`")
    values = content[key]
    whole: ndarray = values.astype(np.int32)
    if whole.ndim != 2 or not np.array_equal(whole, values):
        raise ValueError(f"`{key}` must be a matrix of whole numbers")
    return whole


def write_mat(path: Path, key: str, label: ndarray, void: int) -> None:
    """Write a label map with its classes from 1 on, as `read_mat` and `shifted` read it."""
    import scipy.io  # takes half a second

    values = np.where(label == VOID, void, label.astype(np.int16) + 1)
    scipy.io.savemat(path, {key: values.astype(np.int16)}, do_compression=True)


def shifted(values: ndarray, num_classes: int, void: int) -> ndarray:
    """Turn the labels 1 to `num_classes`, and `void`, into 0 to `num_classes` - 1, and 255.

    Raises:
        ValueError: There is another value.
    """
    wrong = values[((values < 1) | (values > num_classes)) & (values != void)]
    if wrong.size:
        raise ValueError(
            f"it has the value {int(wrong[0])}; use 1 to {num_classes}, and {void} for void"
        )
    return np.where(values == void, 255, values - 1).astype(np.uint8)
