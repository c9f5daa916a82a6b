"""`per_image.npz` of a run, whoever made it: no pickles, and no more memory than it has values."""

from __future__ import annotations

import math
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy import ndarray

NAME = "per_image.npz"

LARGEST = 2**31
"""Bytes. 2,000 images and 255 classes take half of it."""


def read_image_scores(path: Path) -> dict[str, ndarray]:
    """Read `names`, `average_over`, and the confusion matrices of each head.

    Raises:
        ValueError: The file is damaged, or holds anything else.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(each.file_size for each in archive.infolist()) > LARGEST:
                raise ValueError(f"it unpacks to more than {LARGEST:,} bytes")
            names = archive.namelist()
            arrays = {name.removesuffix(".npy"): _array(archive.read(name)) for name in names}
        _check(arrays)
    except Exception as error:  # a damaged archive can raise anything in its reader
        why = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise ValueError(f"{path} is damaged: {why}. Train the run again.") from error
    return arrays


def _array(content: bytes) -> ndarray:
    """An array whose header is compared with its length before its memory is taken."""
    file = BytesIO(content)
    version = np.lib.format.read_magic(file)
    one = version == (1, 0)
    read = np.lib.format.read_array_header_1_0 if one else np.lib.format.read_array_header_2_0
    shape, _, kind = read(file)
    if kind.hasobject:
        raise ValueError("an array has objects of Python, which would have to be run")
    if math.prod(shape) * kind.itemsize != len(content) - file.tell():
        raise ValueError(f"an array of the shape {shape} does not fit its file")
    array: ndarray = np.load(BytesIO(content), allow_pickle=False)
    return array


def _check(arrays: dict[str, ndarray]) -> None:
    lacking = {"names", "confusion", "average_over"} - arrays.keys()
    if lacking:
        raise ValueError(f"it has no `{min(lacking)}`")
    count = len(arrays["names"]) if arrays["names"].ndim == 1 else -1
    for key, array in arrays.items():
        if key.rpartition("/")[2] == "confusion":
            square = array.ndim == 3 and array.shape[1] == array.shape[2]
            if not square or array.dtype.kind not in "iu" or len(array) != count or not array.size:
                raise ValueError(f"`{key}` is not a matrix for each image")
    classes, over = arrays["confusion"].shape[1], arrays["average_over"]
    if over.size and not ((over >= 0) & (over < classes)).all():
        raise ValueError("`average_over` names a class that there is not")
