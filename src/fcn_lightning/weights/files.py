"""Files that are there as a whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(*paths: Path, overwrite: bool) -> Iterator[list[Path]]:
    """Temporary names beside `paths`, which get those names once all are written.

    Raises:
        ValueError: One is there and `overwrite` is not set, or its folder is missing.
    """
    for path in paths:
        if path.exists() and not overwrite:
            raise ValueError(f"{path} must not exist yet; it does. Add --overwrite to replace it.")
        if not path.parent.is_dir():
            raise ValueError(f"{path} must be in a folder that exists; make {path.parent}.")
    partial = [path.with_name(f".{path.name}.{os.getpid()}.partial") for path in paths]
    try:
        yield partial
        for written, path in zip(partial, paths, strict=True):
            written.replace(path)
    finally:
        for written in partial:
            written.unlink(missing_ok=True)
