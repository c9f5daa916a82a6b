"""A data set's folder as its official archive unpacks it: images, labels and lists of ids."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from urllib.error import URLError

from numpy import ndarray

from fcn_lightning.data.dataset import Example, File
from fcn_lightning.labels import unnamed
from fcn_lightning.text_files import read_lines


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
        """Tell if the file of an id exists."""
        return self.pattern.format(name) in self._names

    @cached_property
    def _names(self) -> frozenset[str]:
        there = self.folder.is_dir()
        return frozenset(path.name for path in self.folder.iterdir()) if there else frozenset()


@dataclass(frozen=True)
class Place:
    """The folder of a data set or, if it is missing, the folders that were searched.

    Attributes:
        title: The name of the data set in messages.
        folder: The folder that has it; the first of `searched` if none has.
        exists: Whether a folder has it.
        searched: The folders in which it may lie.
        inside: The subfolder that it must have.
        how: How to get it.
    """

    title: str
    folder: Path
    exists: bool
    searched: tuple[Path, ...]
    inside: str
    how: str

    def require(self) -> Path:
        """Return the folder.

        Raises:
            FileNotFoundError: The data set is missing.
        """
        if not self.exists:
            raise FileNotFoundError(self.problem)
        return self.folder

    @property
    def problem(self) -> str:
        """The message for a missing data set."""
        return (
            f"{self.title} is not in {', '.join(map(str, self.searched))}: none of these has a "
            f"folder {self.inside}. {self.how}"
        )


def find(folders: Sequence[Path], insides: Sequence[str], title: str, how: str) -> Place:
    """Find the first of `folders` that has the most of the subfolders `insides`."""
    counts = [sum((folder / inside).is_dir() for inside in insides) for folder in folders]
    best = counts.index(max(counts))
    return Place(title, folders[best], counts[best] > 0, tuple(folders), insides[0], how)


@contextmanager
def downloading(title: str, address: str) -> Iterator[None]:
    """Name a data set and its address in the error of a failed download.

    Raises:
        ConnectionError: The download failed, or its checksum is wrong.
    """
    try:
        yield
    except (URLError, RuntimeError) as error:
        reason = getattr(error, "reason", error)
        raise ConnectionError(
            f"{title} cannot be downloaded from {address} ({reason}). Try again, or download the "
            "file in another way and unpack it there."
        ) from error


@dataclass(frozen=True)
class Tree:
    """The folders of a data set on disk. Its files may be missing.

    Attributes:
        name: The name that its lists have in records: `voc/train`.
        places: Where its parts lie; that of its images is first.
        images: The image files, by modality ("" for a single one).
        labels: The label files, by head ("" for a single one).
        lists: The folder of lists; `SPLIT.txt` has one id a line.
        shipped: Names of lists in the package, for each split that `lists` may lack.
        counts: How many ids the official lists have.
        others: Other files that are needed.
        leave_out: Ids that are no example, whatever list names them.
    """

    name: str
    places: tuple[Place, ...]
    images: Mapping[str, Files]
    labels: Mapping[str, Files]
    lists: Path
    shipped: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    others: tuple[Path, ...] = ()
    leave_out: frozenset[str] = frozenset()

    @property
    def root(self) -> Path:
        """The folder of its images."""
        return self.places[0].folder

    @property
    def how(self) -> str:
        """The instructions to get the parts."""
        return " ".join(dict.fromkeys(place.how for place in self.places))

    @property
    def exists(self) -> bool:
        """True if all of its parts are there."""
        return all(place.exists for place in self.places)

    def require(self) -> None:
        """Check that all of its parts are there.

        Raises:
            FileNotFoundError: One is missing.
        """
        for place in self.places:
            place.require()
        for path in self.others:
            if not path.is_file():
                raise FileNotFoundError(f"{path} is missing. {self.places[-1].how}")

    def list_of(self, split: str) -> Path | None:
        """The file of one of the data set's own lists; None if the tree lacks it."""
        path = self.lists / f"{split}.txt"
        return path if path.is_file() else None

    def ids(self, split: str) -> list[str]:
        """Read one of the data set's own lists, or the package's if the tree lacks it.

        Raises:
            ValueError: There is no such list.
        """
        if path := self.list_of(split):
            ids = read_lines(path)
        elif split in self.shipped:
            ids = official(self.shipped[split])
        else:
            known = sorted({p.stem for p in self.lists.glob("*.txt")} | set(self.shipped))
            raise ValueError(
                f"Unknown list {self.name}/{split}: {self.lists / split}.txt does not exist. The "
                f"folder has {', '.join(known) or 'no lists'}."
            )
        return [name for name in ids if name not in self.leave_out]

    def has_image(self, name: str) -> bool:
        """Tell if an id has its images, of all modalities."""
        return all(files.has(name) for files in self.images.values())

    def has(self, name: str) -> bool:
        """Tell if an id has all of its images and labels."""
        return all(files.has(name) for _, files in self.kinds)

    def example(self, name: str) -> Example:
        """The files of an id."""
        images = {modality: files.file(name) for modality, files in self.images.items()}
        labels = {head: files.file(name) for head, files in self.labels.items()}
        return Example(name, unnamed(images), unnamed(labels))

    @property
    def kinds(self) -> list[tuple[str, Files]]:
        """The files of each kind, with a name in messages: `depth image`, `label`."""
        images = [(f"{modality} image".strip(), files) for modality, files in self.images.items()]
        return images + [(f"{head} label".strip(), files) for head, files in self.labels.items()]

    def lacking(self, ids: Iterable[str]) -> list[str]:
        """Describe what some ids lack: for each kind of file, how many and the first."""
        lacking = [
            (kind, files, [name for name in ids if not files.has(name)])
            for kind, files in self.kinds
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
