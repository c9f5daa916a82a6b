"""Folders of drawn data sets: complete and of this version, or absent."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path


def draw_once(root: Path, version: int, draw: Callable[[Path], None]) -> None:
    """Draw a set into `root` if the folder does not exist.

    Several processes may call this at once: each draws into a folder of another name, and the
    first one to finish renames it to `root`.

    Args:
        root: The folder of the set.
        version: The version of the set, which a file in the folder keeps.
        draw: Draws the set into a folder that does not exist yet.

    Raises:
        ValueError: `root` exists and does not hold this version of the set.
    """
    if root.is_dir():
        return _check_version(root, version)
    unfinished = root.with_name(f"{root.name}.{os.getpid()}")
    shutil.rmtree(unfinished, ignore_errors=True)
    draw(unfinished)
    (unfinished / "version").write_text(f"{version}\n")
    try:
        unfinished.rename(root)
    except OSError:
        if not root.is_dir():
            raise
        shutil.rmtree(unfinished)


def write_lists(folder: Path, names: Sequence[str], counts: Mapping[str, int]) -> None:
    """Write a list of ids for each split: the first `names`, the next ones and so on."""
    rest = list(names)
    for split, count in counts.items():
        (folder / f"{split}.txt").write_text("\n".join(rest[:count]) + "\n")
        rest = rest[count:]


def _check_version(root: Path, version: int) -> None:
    path = root / "version"
    found = path.read_text().strip() if path.is_file() else "1"  # version 1 wrote no file
    if found != str(version):
        raise ValueError(
            f"`{root}` holds version {found} of the embedded data set; this release draws "
            f"version {version}. Delete or rename the folder to have the set drawn again."
        )
