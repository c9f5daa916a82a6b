"""MATLAB's files of level 5 with their claims checked: SciPy believes what their headers say.

Source: MAT-File Format, MathWorks; the names are SciPy's.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from numpy import ndarray

LARGEST = 2**28
"""Bytes, on disk and unpacked. A label map of 4,000 x 4,000 values in double precision has half."""

DEEPEST = 8
"""Cells and structures inside one another; SBD's have two."""

MATRIX, COMPRESSED = 14, 15
CELL, STRUCT, OBJECT, SPARSE, LAST = 1, 2, 3, 5, 15
"""Classes of arrays; those after the last have no shape."""

COMPLEX = 0x0800
"""The flag of arrays with an imaginary part, which no label map has."""

INT32 = 5
SIZES = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4}
"""Bytes of a value of each type; all others have 8."""

HEADER = 128


def unpacked(path: Path) -> bytes:
    """Read a file, decompress its variables, and compare what they claim with what they hold.

    Files of level 4, which have plain matrices alone, and of HDF5 are returned as they are.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is too large, damaged, or claims more than it holds.
    """
    if path.stat().st_size > LARGEST:
        raise ValueError(f"it has more than {LARGEST:,} bytes")
    content = path.read_bytes()
    if len(content) < HEADER or 0 in content[:4] or content[124 + (content[126:127] == b"I")] == 2:
        return content  # level 4, or HDF5
    order = "<" if content[126:128] == b"IM" else ">"
    plain = bytearray(content[:HEADER])
    for kind, element, body in _elements(memoryview(content)[HEADER:], order):
        if kind == COMPRESSED:
            unpacker = zlib.decompressobj()
            element = unpacker.decompress(body, LARGEST + 1 - len(plain))
            if len(plain) + len(element) > LARGEST:
                raise ValueError(f"it unpacks to more than {LARGEST:,} bytes")
        _check(memoryview(element), order, 0)
        plain += element
    return bytes(plain)


def _elements(
    content: memoryview, order: str
) -> Iterator[tuple[int, memoryview | bytes, memoryview]]:
    """Yield the type, the bytes and the body of each element."""
    begin = 0
    while begin + 8 <= len(content):
        kind, count = struct.unpack_from(f"{order}II", content, begin)
        body, end = begin + 8, begin + 8 + count
        if kind >> 16:  # a small one has its bytes in the tag
            kind, count = kind & 0xFFFF, kind >> 16
            body, end = begin + 4, begin + 8
        if end > len(content) or body + count > end:
            raise ValueError(f"an element claims {count:,} bytes")
        padded = end if kind == COMPRESSED else min(begin - (begin - end) // 8 * 8, len(content))
        yield kind, content[begin:padded], content[body : body + count]
        begin = padded


def _check(content: memoryview, order: str, depth: int) -> None:
    """Check the arrays in some bytes, and the arrays in these."""
    if depth > DEEPEST:
        raise ValueError(f"its cells are deeper than {DEEPEST}")
    for kind, _, body in _elements(content, order):
        if kind == MATRIX and len(body):
            _check_array(body, order)
            _check(body, order, depth + 1)


def _check_array(body: memoryview, order: str) -> None:
    """Compare an array's shape with its bytes: 8 at least for an inner array, 1 for a value."""
    elements = list(islice(_elements(body, order), 6))
    parts = [part for _, _, part in elements]
    if len(parts) < 3 or len(parts[0]) < 4:
        raise ValueError("an array is not complete")
    (flags,) = struct.unpack_from(f"{order}I", parts[0])
    if flags & COMPLEX:
        raise ValueError("an array has complex numbers")
    kind = flags & 0xFF
    if kind > LAST:
        return None
    shape = struct.unpack_from(f"{order}{len(parts[1]) // 4}i", parts[1])
    if kind == SPARSE:
        return _check_sparse(shape, elements[3:], order)
    size = math.prod(shape) * (8 if kind in (CELL, STRUCT, OBJECT) else 1)
    if kind in (STRUCT, OBJECT):
        size *= _num_fields(parts[kind + 1 :], order)
    if min(shape, default=0) < 0 or size > len(body):
        raise ValueError(f"an array claims the shape {' x '.join(map(str, shape))}")
    return None


def _check_sparse(
    shape: tuple[int, ...],
    elements: list[tuple[int, memoryview | bytes, memoryview]],
    order: str,
) -> None:
    """Compare the rows, the starts of columns and the values of a sparse array with its shape."""
    kinds = [kind for kind, _, _ in elements]
    if len(shape) != 2 or min(shape) < 0 or len(kinds) != 3 or kinds[:2] != [INT32, INT32]:
        raise ValueError("a sparse array is not complete")
    rows, starts = (np.frombuffer(part, f"{order}i4") for _, _, part in elements[:2])
    most = min(len(rows), len(elements[2][2]) // SIZES.get(kinds[2], 8))
    ordered = len(starts) == shape[1] + 1 and starts[0] == 0 and (np.diff(starts) >= 0).all()
    if not ordered or starts[-1] > most or _outside(rows[: starts[-1]], shape):
        raise ValueError("the indices of a sparse array do not fit its shape")


def _outside(rows: ndarray, shape: tuple[int, ...]) -> bool:
    """Return whether an index lies outside the rows of an array."""
    return bool(((rows < 0) | (rows >= shape[0])).any())


def _num_fields(parts: list[memoryview], order: str) -> int:
    """The number of fields of a structure, from the length of a name and all names."""
    if len(parts) < 2 or len(parts[0]) < 4:
        return 1
    (length,) = struct.unpack_from(f"{order}i", parts[0])
    return max(1, len(parts[1]) // max(1, length))
