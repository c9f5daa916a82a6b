"""Text files that people write, such as lists: UTF-8, with or without a byte order mark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from fcn_lightning.plain_values import check_count

LARGEST = 2**26
"""Bytes. A list of a million ids takes half of it."""

MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


def read_text(path: Path) -> str:
    """Read a text file.

    Raises:
        ValueError: It is not UTF-8, or too large; the message names the file.
    """
    if path.stat().st_size > LARGEST:
        raise ValueError(f"{path} is no list or class file: it has more than {LARGEST:,} bytes.")
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


def read_yaml(path: Path) -> Any:
    """Read the plain values of a YAML file.

    Raises:
        ValueError: It is not YAML, or an alias bomb; the message names the file.
    """
    text = read_text(path)
    try:
        content = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ValueError(f"{path} is not YAML: {error.problem}{line}.") from error
    except Exception as error:  # such as too many brackets, or `!!int` without a number
        raise ValueError(f"{path} is not YAML: {' '.join(str(error).split())}.") from error
    check_count(path, content)
    return content


def read_lines(path: Path) -> list[str]:
    """Read the lines of a text file, without blanks at their ends; empty lines are left out.

    Raises:
        ValueError: It is not UTF-8; the message names the file.
    """
    return [line.strip() for line in read_text(path).split("\n") if line.strip()]
