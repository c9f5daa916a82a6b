"""MATLAB files that claim more than they hold."""

from __future__ import annotations

import io
import re
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import scipy.sparse

from fcn_lightning.data import mat_file
from fcn_lightning.data.mat import load_mat, read_mat
from fcn_lightning.data.sbd import read_label

HEADER = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
CELL, STRUCT, CHAR, DOUBLE = 1, 2, 4, 6
INT8, INT32, UINT32, MATRIX, COMPRESSED = 1, 5, 6, 14, 15


def element(kind: int, body: bytes) -> bytes:
    """An element of type `kind`, padded to eight bytes."""
    return struct.pack("<II", kind, len(body)) + body + bytes(-len(body) % 8)


def matrix(kind: int, shape: tuple[int, ...], *parts: bytes, name: bytes = b"S") -> bytes:
    """An array of class `kind`."""
    start = element(UINT32, struct.pack("<II", kind, 0))
    dims = element(INT32, struct.pack(f"<{len(shape)}i", *shape))
    return element(MATRIX, start + dims + element(INT8, name) + b"".join(parts))


def nested(depth: int) -> bytes:
    inner = matrix(DOUBLE, (0, 0), element(9, b""), name=b"")
    for _ in range(depth):
        inner = matrix(CELL, (1, 1), inner)
    return inner


HUGE = (50_000, 50_000)
FIELDS = (element(INT32, struct.pack("<i", 8)), element(INT8, b"a".ljust(8, b"\0")))
CLAIMS = {
    "cells": (matrix(CELL, HUGE), "an array claims the shape 50000 x 50000"),
    "structures": (matrix(STRUCT, HUGE, *FIELDS), "an array claims the shape 50000 x 50000"),
    "text": (matrix(CHAR, HUGE), "an array claims the shape 50000 x 50000"),
    "numbers": (matrix(DOUBLE, HUGE), "an array claims the shape 50000 x 50000"),
    "negative": (matrix(CELL, (-1, 5)), "an array claims the shape -1 x 5"),
    "deep": (nested(12), "its cells are deeper than 8"),
    "long": (struct.pack("<II", MATRIX, 2**31), "an element claims 2,147,483,648 bytes"),
}


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("kind", CLAIMS)
def test_claims_are_refused_before_memory_is_taken(kind: str, compressed: bool) -> None:
    content, why = CLAIMS[kind]
    if compressed:
        packed = zlib.compress(content)
        content = struct.pack("<II", COMPRESSED, len(packed)) + packed
    path = Path("claims.mat")
    path.write_bytes(HEADER + content)
    tracemalloc.start()
    with pytest.raises(ValueError, match=re.escape(why)):
        mat_file.unpacked(path)
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert taken < 2**20
    with pytest.raises(ValueError, match="damaged") as error:
        load_mat(path, "S")
    assert str(error.value) == f"it is damaged or no MATLAB file ({why})"


def test_a_file_that_unpacks_to_more_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    scipy.io.savemat("zeros.mat", {"S": np.zeros((500, 500))}, do_compression=True)
    assert read_mat(Path("zeros.mat"), "S").shape == (500, 500)
    monkeypatch.setattr(mat_file, "LARGEST", 10**6)
    with pytest.raises(ValueError, match="it unpacks to more than 1,000,000 bytes"):
        read_mat(Path("zeros.mat"), "S")
    monkeypatch.setattr(mat_file, "LARGEST", 10**3)
    with pytest.raises(ValueError, match="it has more than 1,000 bytes"):
        read_mat(Path("zeros.mat"), "S")


@pytest.mark.parametrize("form", ["4", "5"])
@pytest.mark.parametrize("compressed", [False, True])
def test_whole_files_are_read_as_scipy_reads_them(form: str, compressed: bool) -> None:
    values = {"S": np.arange(35, dtype=np.int16).reshape(5, 7), "t": "text", "x": np.eye(3)}
    file = io.BytesIO()
    scipy.io.savemat(file, values, format=form, do_compression=compressed and form == "5")
    Path("a.mat").write_bytes(file.getvalue())
    np.testing.assert_array_equal(read_mat(Path("a.mat"), "S"), values["S"])
    assert load_mat(Path("a.mat"), "t").item() == "text"


def test_sparse_matrices_and_text_are_no_label_maps() -> None:
    scipy.io.savemat("a.mat", {"S": scipy.sparse.eye_array(3).tocsc(), "GTcls": "x"})
    with pytest.raises(ValueError, match="`S` is not a matrix of whole numbers"):
        read_mat(Path("a.mat"), "S")
    with pytest.raises(ValueError, match="its `GTcls` has no `Segmentation`"):
        read_label(Path("a.mat"))


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("starts", 9, "the indices of a sparse array do not fit its shape"),
        ("rows", 7, "the indices of a sparse array do not fit its shape"),
        ("types", 9, "a sparse array is not complete"),
        ("flags", 0x0805, "an array has complex numbers"),
    ],
)
def test_sparse_arrays_that_would_crash_scipy(
    place: str, value: int, message: str, tmp_path: Path
) -> None:
    """Of a 3 x 3 matrix: its last start of a column, its first row, their type, and its flags."""
    path = tmp_path / "sparse.mat"
    scipy.io.savemat(path, {"S": scipy.sparse.csc_matrix(np.eye(3))}, do_compression=False)
    content = bytearray(path.read_bytes())
    starts = content.index(struct.pack("<4i", 0, 1, 2, 3))
    rows = content.index(struct.pack("<3i", 0, 1, 2))
    at, was = {
        "starts": (starts + 12, 3),
        "rows": (rows, 0),
        "types": (rows - 8, 5),
        "flags": (144, 5),
    }[place]
    assert struct.unpack_from("<i", content, at) == (was,)
    assert mat_file.unpacked(path)
    struct.pack_into("<i", content, at, value)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        mat_file.unpacked(path)
