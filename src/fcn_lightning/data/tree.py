"""A data set's folder as its official archive unpacks it: images, labels and lists of ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from fcn_lightning.data.dataset import Example


@dataclass(frozen=True)
class Tree:
    """The folders of a data set on disk.

    An id `NAME` has the image `images/NAME.jpg` and the label `labels/NAME` + `label_suffix`. A
    list `SPLIT` is the file `lists/SPLIT.txt`, with one id a line.
    """

    name: str
    root: Path
    images: Path
    labels: Path
    label_suffix: str
    lists: Path

    def ids(self, split: str) -> list[str]:
        """Read one of the data set's own lists.

        Raises:
            ValueError: There is no such list.
        """
        path = self.lists / f"{split}.txt"
        if not path.is_file():
            existing = ", ".join(sorted(p.stem for p in self.lists.glob("*.txt"))) or "no lists"
            raise ValueError(
                f"Unknown list {self.name}/{split}: {path} does not exist. The folder has "
                f"{existing}."
            )
        return path.read_text().split()

    @cached_property
    def _image_names(self) -> frozenset[str]:
        return frozenset(path.name for path in self.images.iterdir())

    @cached_property
    def _label_names(self) -> frozenset[str]:
        return frozenset(path.name for path in self.labels.iterdir())

    def has_image(self, name: str) -> bool:
        """Tells if an id has an image."""
        return f"{name}.jpg" in self._image_names

    def has(self, name: str) -> bool:
        """Tells if an id has both an image and a label."""
        return self.has_image(name) and f"{name}{self.label_suffix}" in self._label_names

    def example(self, name: str) -> Example:
        """The paths of an id's image and label."""
        return Example(
            name, self.images / f"{name}.jpg", self.labels / f"{name}{self.label_suffix}"
        )


def find(folders: Sequence[Path], inside: str, name: str, key: str) -> Path:
    """Return the first of `folders` that has a subfolder `inside`.

    Raises:
        FileNotFoundError: No folder has it; the message names the data set and the config `key`.
    """
    for folder in folders:
        if (folder / inside).is_dir():
            return folder
    raise FileNotFoundError(
        f"{name} is not in {', '.join(map(str, folders))}: none of these has a folder {inside}. "
        f"Set `data.root` or `{key}`, or download {name} with `data.download=true`."
    )
