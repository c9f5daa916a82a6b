"""Label maps in MATLAB files."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy import ndarray

from fcn_lightning.data.dataset import out_of_range
from fcn_lightning.data.mat_file import unpacked
from fcn_lightning.labels import VOID


def load_mat(path: Path, key: str) -> Any:
    """Read a variable of a MATLAB file.

    Raises:
        ValueError: The file is damaged, of MATLAB 7.3, or has no such variable.
    """
    import scipy.io  # takes half a second

    if not path.is_file():
        raise ValueError("it does not exist")
    try:
        content = scipy.io.loadmat(cast(Any, BytesIO(unpacked(path))), variable_names=[key])
    except NotImplementedError as error:  # what SciPy raises for files of HDF5
        raise ValueError("it is a file of MATLAB 7.3; save it with `save -v7`") from error
    except Exception as error:  # a damaged file can raise anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"it is damaged or no MATLAB file ({reason})") from error
    if key not in content:
        raise ValueError(f"it has no `{key}`")
    return content[key]


def read_mat(path: Path, key: str) -> ndarray:
    """Read a matrix of whole numbers, (h, w) int32.

    Raises:
        ValueError: The file cannot be read, or its values are not whole numbers.
    """
    return whole_numbers(load_mat(path, key), key)


def whole_numbers(values: Any, key: str) -> ndarray:
    """Return a matrix of whole numbers as (h, w) int32.

    Raises:
        ValueError: It is something else.
    """
    if isinstance(values, ndarray) and values.ndim == 2 and values.dtype.kind in "buif":
        with np.errstate(invalid="ignore"):  # NaN is no whole number
            whole: ndarray = values.astype(np.int32)
        if np.can_cast(values.dtype, np.int32) or np.array_equal(whole, values):
            return whole
    raise ValueError(f"`{key}` is not a matrix of whole numbers")


def write_mat(path: Path, key: str, label: ndarray, void: int) -> None:
    """Write a label map with its classes from 1 on, as `read_mat` and `shifted` read it."""
    import scipy.io  # takes half a second

    values = np.where(label == VOID, void, label.astype(np.int16) + 1)
    scipy.io.savemat(path, {key: values.astype(np.int16)}, do_compression=True)


def shifted(values: ndarray, num_classes: int, void: int) -> ndarray:
    """Turn the labels 1 to `num_classes` into 0 to `num_classes` - 1, and void into 255.

    0 is void even if `void` is another label, as in the reference.

    Raises:
        LabelRangeError: There is another value.
    """
    is_void = (values == void) | (values == 0)
    wrong = values[((values < 1) | (values > num_classes)) & ~is_void]
    if wrong.size:
        raise out_of_range(int(wrong[0]), 1, num_classes, void)
    return np.where(is_void, 255, values - 1).astype(np.uint8)
