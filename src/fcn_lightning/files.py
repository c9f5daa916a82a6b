"""Files that are complete or absent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder, which becomes `path` when the block ends.

    The content is on disk before the rename: at any moment `path` is the previous file or the
    complete new one. If the block raises, the temporary file is removed and `path` is unchanged.
    The temporary name is always the same, so that killed processes leave at most one behind.
    """
    check_file(path)
    temporary = path.with_name(f".{path.name}.partial")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        error.filename = error.filename or str(path)  # a full disk has no name
        raise
    finally:
        temporary.unlink(missing_ok=True)


def check_file(path: Path) -> None:
    """Check that a file can take this place.

    Raises:
        ValueError: There is something that is not a file.
    """
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is not a file. Choose another name.")


def check_target(path: Path, *, overwrite: bool) -> None:
    """Check that a file may be written.

    Raises:
        ValueError: It exists and `overwrite` is False, it is not a file, or its folder does not
            exist.
    """
    check_file(path)
    if path.exists() and not overwrite:
        raise ValueError(f"{path} already exists. Replace it with --overwrite.")
    if not path.parent.is_dir():
        raise ValueError(f"The folder of {path} does not exist. Create {path.parent} first.")
