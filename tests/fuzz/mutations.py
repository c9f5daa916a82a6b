"""Damaged copies of a valid file: flipped, cut, spliced, repeated, with enlarged numbers."""

from __future__ import annotations

import struct

from hypothesis import strategies as st

LARGE = (b"\xff" * 4, b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80", b"\x00" * 4, b"\xff" * 8)


@st.composite
def damaged(draw: st.DrawFn, valid: bytes) -> bytes:
    """One to six changes of a file."""
    content = bytearray(valid)
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, max(0, len(content) - 1)))
        length = draw(st.integers(1, 64))
        kind = draw(st.sampled_from(("flip", "cut", "splice", "repeat", "number", "insert")))
        part = content[at : at + length]
        if kind == "flip" and part:
            content[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "cut":
            del content[at : at + draw(st.sampled_from((length, len(content))))]
        elif kind == "splice":
            content[at:at] = content[: draw(st.integers(0, len(content)))][:4096]
        elif kind == "repeat":
            content[at:at] = bytes(part) * draw(st.integers(1, 200))
        elif kind == "number":
            large = draw(st.sampled_from(LARGE) | st.integers(0, 2**31).map(_packed))
            content[at : at + len(large)] = large
        else:
            content[at:at] = draw(st.binary(max_size=64))
    return bytes(content)


def _packed(number: int) -> bytes:
    return struct.pack("<I", number)
