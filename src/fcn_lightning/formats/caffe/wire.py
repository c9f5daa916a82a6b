"""Protobuf's wire format, to read and write large blobs without copies.

Source: protobuf.dev, Encoding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

VARINT, LENGTH = 0, 2
MOST_FIELDS = 100_000
"""Of one message, so that a file of empty fields does not fill the memory."""

FIXED = {1: 8, 5: 4}
"""The sizes in bytes of the wire types of fixed size."""


class Truncated(ValueError):  # noqa: N818
    """A field ends after the message."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a message: its bytes with (`raw`) and without (`body`) the key."""

    number: int
    wire: int
    raw: memoryview
    body: memoryview


def fields(message: memoryview) -> Iterator[Field]:
    """Yield the fields of a message without copying them.

    Raises:
        Truncated: The last field ends after the message.
        ValueError: The bytes are not a message.
    """
    begin = count = 0
    while begin < len(message):
        count += 1
        if count > MOST_FIELDS:
            raise ValueError(f"it has more than {MOST_FIELDS:,} fields")
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
            raise ValueError(f"invalid wire type {wire}")
        if number == 0:
            raise ValueError("invalid field number 0")
        if end > len(message):
            raise Truncated(f"{end - len(message)} bytes are missing")
        yield Field(number, wire, message[begin:end], message[body:end])
        begin = end


def head(number: int, length: int) -> bytes:
    """The bytes that precede the `length` bytes of a field."""
    return _encoded(number << 3 | LENGTH) + _encoded(length)


def _varint(message: memoryview, begin: int) -> tuple[int, int]:
    """A number in seven bits a byte, and the position after it."""
    value = 0
    for i in range(10):
        if begin + i >= len(message):
            raise Truncated("a number is not complete")
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
