"""A data set's folder as its official archive unpacks it: images, labels and lists of ids."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path

from numpy import ndarray

from fcn_lightning.data.dataset import Example, File
from fcn_lightning.labels import unnamed


@dataclass(frozen=True)
class Files:
    """Files of one kind, one for each id: `folder/PATTERN`, with the id in place of `{}`."""

    folder: Path
    pattern: str
    read: Callable[[Path], ndarray]

    def file(self, name: str) -> File:
        """The file of an id."""
        return File(self.folder / self.pattern.format(name), self.read)

    def has(self, name: str) -> bool:
        """Tells if the file of an id exists."""
        return self.pattern.format(name) in self._names

    @cached_property
    def _names(self) -> frozenset[str]:
        there = self.folder.is_dir()
        return frozenset(path.name for path in self.folder.iterdir()) if there else frozenset()


@dataclass(frozen=True)
class Tree:
    """The folders of a data set on disk.

    Attributes:
        name: The name that its lists have in records: `voc/train`.
        images: The image files, by modality ("" for a single one).
        labels: The label files, by head ("" for a single one).
        lists: The folder of lists; `SPLIT.txt` has one id a line.
        shipped: Names of lists in the package, for each split that `lists` may lack.
    """

    name: str
    root: Path
    images: Mapping[str, Files]
    labels: Mapping[str, Files]
    lists: Path
    shipped: Mapping[str, str] | None = None

    def ids(self, split: str) -> list[str]:
        """Read one of the data set's own lists.

        Raises:
            ValueError: There is no such list.
        """
        path, shipped = self.lists / f"{split}.txt", self.shipped or {}
        if path.is_file():
            return path.read_text().split()
        if split in shipped:
            return official(shipped[split])
        known = sorted({p.stem for p in self.lists.glob("*.txt")} | set(shipped))
        raise ValueError(
            f"Unknown list {self.name}/{split}: {path} does not exist. The folder has "
            f"{', '.join(known) or 'no lists'}."
        )

    def has_image(self, name: str) -> bool:
        """Tells if an id has its images, of all modalities."""
        return all(files.has(name) for files in self.images.values())

    def has(self, name: str) -> bool:
        """Tells if an id has all of its images and labels."""
        return self.has_image(name) and all(files.has(name) for files in self.labels.values())

    def example(self, name: str) -> Example:
        """The files of an id."""
        images = {modality: files.file(name) for modality, files in self.images.items()}
        labels = {head: files.file(name) for head, files in self.labels.items()}
        return Example(name, unnamed(images), unnamed(labels))

    def lacking(self, ids: Iterable[str]) -> list[str]:
        """Describe what some ids lack: for each kind of file, how many and the first."""
        kinds = [(f"{m} image".strip(), files) for m, files in self.images.items()]
        kinds += [(f"{head} label".strip(), files) for head, files in self.labels.items()]
        lacking = [
            (kind, files, [name for name in ids if not files.has(name)]) for kind, files in kinds
        ]
        return [
            f"{len(names)} {kind}{'s' if len(names) > 1 else ''} "
            f"(the first is {files.file(names[0]).path})"
            for kind, files, names in lacking
            if names
        ]


def official(name: str) -> list[str]:
    """The ids of one of the lists in the package."""
    return files("fcn_lightning.data").joinpath("lists", f"{name}.txt").read_text().split()


def find(folders: Sequence[Path], inside: str, name: str, how: str) -> Path:
    """Return the first of `folders` that has a subfolder `inside`.

    Raises:
        FileNotFoundError: No folder has it; the message names the data set and says `how` to get
            it.
    """
    for folder in folders:
        if (folder / inside).is_dir():
            return folder
    raise FileNotFoundError(
        f"{name} is not in {', '.join(map(str, folders))}: none of these has a folder {inside}. "
        f"{how}"
    )
