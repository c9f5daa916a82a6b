"""Text files that users write, such as lists: UTF-8, with or without a byte order mark."""

from __future__ import annotations

from pathlib import Path

MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


def read_text(path: Path) -> str:
    """Read a text file.

    Raises:
        ValueError: It is not UTF-8; the message names the file.
    """
    content = path.read_bytes()
    encoding = MARKS.get(content[:2])
    try:
        if encoding is None:
            return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ValueError(
            f"{path} is not UTF-8: line {line} has the byte 0x{content[error.start]:02x}. Save it "
            "as UTF-8."
        ) from error
    raise ValueError(f"{path} is {encoding}, not UTF-8. Save it as UTF-8.")


def read_lines(path: Path) -> list[str]:
    """Read the lines of a text file, without blanks at their ends; empty lines are left out.

    Raises:
        ValueError: It is not UTF-8; the message names the file.
    """
    return [line.strip() for line in read_text(path).split("\n") if line.strip()]
