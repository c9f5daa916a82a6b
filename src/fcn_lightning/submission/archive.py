"""The files in an archive, one at a time and within limits; nothing is unpacked to disk.

Archives come from anywhere: a small file can claim gigabytes, or name paths outside its folder.
"""

from __future__ import annotations

import gzip
import io
import mmap
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

LARGEST_FILE = 16 * 2**20
LARGEST_TOTAL = 256 * 2**20
"""Bytes. 1,456 label maps of 500 x 500 pixels take about 10 MB."""

MOST_FILES = 10_000


@dataclass(frozen=True)
class Entry:
    """A file in an archive: its name, and its content or why it has none."""

    name: str
    content: bytes = b""
    problem: str | None = None


def read_entries(path: Path) -> Iterator[Entry]:
    """Read the files of a .tgz or .zip archive, without its folders.

    Raises:
        OSError: It cannot be read.
        ValueError: It is another kind of file, damaged, or too large.
    """
    with path.open("rb") as file:
        start = file.read(512)
        if path.stat().st_size > LARGEST_TOTAL:
            raise ValueError(f"{path} is too large: archives have at most {LARGEST_TOTAL} bytes.")
        if start[257:262] == b"ustar":
            raise ValueError(f"{path} is a tar archive without compression. Compress it with gzip.")
        if start[:2] != b"\x1f\x8b" and start[:4] != b"PK\x03\x04":
            raise ValueError(f"{path} is neither a .tgz nor a .zip archive.")
        file.seek(0)
        read = _of_tar if start[:2] == b"\x1f\x8b" else _of_zip
        try:
            for number, entry in enumerate(read(file)):
                if number == MOST_FILES:
                    raise ValueError(f"it has more than {MOST_FILES:,} files")
                yield entry
        except Exception as error:  # a broken archive can raise anything in its reader
            reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
            raise ValueError(f"{path} is damaged: {reason}.") from error


class _Limited(io.RawIOBase):
    """A stream that ends with an error after LARGEST_TOTAL bytes."""

    def __init__(self, file: gzip.GzipFile) -> None:
        self._file, self._left = file, LARGEST_TOTAL

    def read(self, size: int = -1, /) -> bytes:
        content = self._file.read(min(size, self._left + 1) if size >= 0 else self._left + 1)
        self._left -= len(content)
        if self._left < 0:
            raise ValueError(f"it holds more than {LARGEST_TOTAL} bytes")
        return content


def _of_tar(file: IO[bytes]) -> Iterator[Entry]:
    with gzip.open(file) as unzipped, tarfile.open(fileobj=_Limited(unzipped), mode="r|") as tar:
        for member in tar:
            if member.isdir():
                continue
            if not member.isfile():
                yield Entry(member.name, problem="is a link or a device, not a file")
            elif member.size > LARGEST_FILE:
                yield Entry(member.name, problem=_too_large(member.size))
            elif content := tar.extractfile(member):
                yield Entry(member.name, content.read())


def _of_zip(file: IO[bytes]) -> Iterator[Entry]:
    left = LARGEST_TOTAL
    _check_directory(file)
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            if stat.S_ISLNK(info.external_attr >> 16):
                yield Entry(info.filename, problem="is a link or a device, not a file")
            elif info.file_size > LARGEST_FILE:
                yield Entry(info.filename, problem=_too_large(info.file_size))
            else:
                with archive.open(info) as content:
                    entry = Entry(info.filename, content.read(LARGEST_FILE))
                left -= len(entry.content)
                if left < 0:
                    raise ValueError(f"it holds more than {LARGEST_TOTAL} bytes")
                yield entry


def _check_directory(file: IO[bytes]) -> None:
    """Count the entries of a zip archive before `zipfile` makes an object of each."""
    count, place = 0, -1
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        while (place := content.find(b"PK\x01\x02", place + 1)) >= 0:
            count += 1
            if count > 2 * MOST_FILES:  # some may be in the files
                raise ValueError(f"it has more than {MOST_FILES:,} files")


def _too_large(size: int) -> str:
    return f"has {size} bytes; a label map has at most {LARGEST_FILE}"
