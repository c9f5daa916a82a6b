"""Images and labels of a folder, matched by their stems."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from fcn_lightning.data import label_files

SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"))
"""Image files, in lower case."""


@dataclass(frozen=True)
class Folder:
    """A folder of images and a folder of labels, which may be the same, with equal subfolders.

    An id is the path of an image below its folder, with `/`, without extension and suffix. A folder
    `DIR/*/images` is that of each split of DIR, and its ids begin with the split: `train/a` is
    `DIR/train/images/a.jpg`.

    Attributes:
        images: The folder of images, where one part may be `*`.
        labels: The folder of labels, likewise.
        image_suffix: The end of all stems of images, which is no part of the id.
        label_suffix: The end of all stems of labels.
    """

    images: Path
    labels: Path
    image_suffix: str = ""
    label_suffix: str = ""

    @cached_property
    def pairs(self) -> dict[str, tuple[Path, Path]]:
        """The image and the label of each id that has one of each, in the order of the ids."""
        images, labels = self._files
        common = sorted(images.keys() & labels.keys())
        return {
            name: (images[name][0], labels[name][0])
            for name in common
            if len(images[name]) == len(labels[name]) == 1
        }

    @cached_property
    def remarks(self) -> list[str]:
        """A sentence for each kind of file that is left out, with the first such file."""
        images, labels = self._files
        twice = [(name, f[name]) for f in (images, labels) for name in f if len(f[name]) > 1]
        unlabeled = [files[0] for name, files in images.items() if name not in labels]
        orphans = [files[0] for name, files in labels.items() if name not in images]
        remarks = [
            f"{' and '.join(map(str, files))} have the same id, {name}. They are left out."
            for name, files in twice
        ]
        if unlabeled:
            remarks.append(
                f"{_count(len(unlabeled), 'image')} without a label in {self.labels}, left out; "
                f"the first is {min(unlabeled)}."
            )
        if orphans:
            remarks.append(
                f"{_count(len(orphans), 'label')} without an image in {self.images}, left out; the "
                f"first is {min(orphans)}."
            )
        return remarks

    def require(self) -> None:
        """Check that there are images with labels.

        Raises:
            FileNotFoundError: A folder does not exist.
            ValueError: No image has a label; the message says what is there.
        """
        for key, folder in (("images", self.images), ("labels", self.labels)):
            if not any(place.is_dir() for _, place in _places(folder)):
                raise FileNotFoundError(f"`data.{key}` must be a folder; {folder} is none.")
        if self.pairs:
            return
        images, labels = self._files
        if not images:
            raise ValueError(
                f"{self.images} has no images ({_list(SUFFIXES)})"
                f"{_ending(self.image_suffix)}; it has {_present(self.images)}."
            )
        if not labels:
            raise ValueError(
                f"{self.labels} has no labels ({_list(label_files.SUFFIXES)})"
                f"{_ending(self.label_suffix)}; it has {_present(self.labels)}."
            )
        raise ValueError(
            f"No image in {self.images} has a label in {self.labels}: the first image is "
            f"{min(images)}, the first label {min(labels)}. If the names of labels end in more, "
            "set `data.label_suffix`."
        )

    @cached_property
    def _files(self) -> tuple[dict[str, list[Path]], dict[str, list[Path]]]:
        """The image files and the label files of each id."""
        images = _by_id(self.images, SUFFIXES, self.image_suffix)
        labels = _by_id(self.labels, label_files.SUFFIXES, self.label_suffix)
        if self.images.resolve() == self.labels.resolve():
            of_labels = {path for files in labels.values() for path in files}
            images = {
                name: rest
                for name, files in images.items()
                if (rest := [path for path in files if path not in of_labels])
            }
        return images, labels


def stems(folder: Path, suffixes: frozenset[str]) -> Iterator[tuple[str, Path]]:
    """Yield each file of these suffixes with its path below the folder, without extension."""
    for start, place in _places(folder):
        for path in files_in(place):
            if path.suffix.lower() in suffixes:
                yield start + path.relative_to(place).with_suffix("").as_posix(), path


def _places(folder: Path) -> list[tuple[str, Path]]:
    """The folders that a folder with `*` stands for, each with the beginning of its ids."""
    if "*" not in folder.parts:
        return [("", folder)]
    at = folder.parts.index("*")
    tops = sorted(Path(*folder.parts[:at]).glob("*/"))
    return [(f"{top.name}/", top.joinpath(*folder.parts[at + 1 :])) for top in tops]


def files_in(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder, without hidden ones; what links lead to again, once."""
    seen = {folder.resolve()}
    for place, folders, names in os.walk(folder, followlinks=True):
        kept = sorted(name for name in folders if not name.startswith("."))
        folders[:] = [name for name in kept if _is_new(Path(place, name), seen)]
        yield from (Path(place, name) for name in sorted(names) if not name.startswith("."))


def _is_new(folder: Path, seen: set[Path]) -> bool:
    """Return whether a folder is seen for the first time; links may lead back to a parent."""
    place = folder.resolve()
    if place in seen:
        return False
    seen.add(place)
    return True


def _by_id(folder: Path, suffixes: frozenset[str], end: str) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for name, path in stems(folder, suffixes):
        if name.endswith(end):
            found.setdefault(name.removesuffix(end), []).append(path)
    return found


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number > 1 else ''}"


def _list(suffixes: Sequence[str] | frozenset[str]) -> str:
    return ", ".join(sorted(suffix.removeprefix(".") for suffix in suffixes))


def _ending(suffix: str) -> str:
    return f" whose stems end in {suffix}" if suffix else ""


def _present(folder: Path) -> str:
    """Name the kinds of files in a folder."""
    files = [path for _, place in _places(folder) for path in files_in(place)]
    kinds = {path.suffix.lower() or path.name for path in files}
    return f"files of the kinds {', '.join(sorted(kinds))}" if kinds else "no files"
