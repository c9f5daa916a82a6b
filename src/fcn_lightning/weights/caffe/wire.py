"""The wire format of protobuf, as far as it takes to read and write large blobs without copies.

Source: protobuf.dev, Encoding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

VARINT, LENGTH = 0, 2
FIXED = {1: 8, 5: 4}
"""Bytes of the wire types of fixed size."""


class CutOff(ValueError):  # noqa: N818
    """A field reaches past the end."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message: `raw` with its key, `body` alone."""

    number: int
    wire: int
    raw: memoryview
    body: memoryview


def fields(message: memoryview) -> Iterator[Field]:
    """The fields of a message, one after the other; no byte of theirs is copied.

    Raises:
        CutOff: The last field reaches past the end.
        ValueError: These bytes are no message.
    """
    begin = 0
    while begin < len(message):
        key, body = _varint(message, begin)
        number, wire = key >> 3, key & 7
        if wire == VARINT:
            _, end = _varint(message, body)
        elif wire == LENGTH:
            length, body = _varint(message, body)
            end = body + length
        elif wire in FIXED:
            end = body + FIXED[wire]
        else:
            raise ValueError(f"no wire type is {wire}")
        if number == 0:
            raise ValueError("no field has the number 0")
        if end > len(message):
            raise CutOff(f"{end - len(message)} bytes are missing")
        yield Field(number, wire, message[begin:end], message[body:end])
        begin = end


def head(number: int, length: int) -> bytes:
    """What stands before the `length` bytes of a field."""
    return _encoded(number << 3 | LENGTH) + _encoded(length)


def _varint(message: memoryview, begin: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where it ends."""
    value = 0
    for i in range(10):
        if begin + i >= len(message):
            raise CutOff("a number is not complete")
        byte = message[begin + i]
        value |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            return value, begin + i + 1
    raise ValueError("a number has more than ten bytes")


def _encoded(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
