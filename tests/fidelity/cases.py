"""Golden files: their names, and their values by key.

Source: the README of the golden files.
"""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from fidelity.reference import MODELS

NETWORK = rf"(?P<model>{'|'.join(MODELS)})_narrow(_(?!\d+x)(?P<tag>[^_]+))?"
SIZE = r"(_(?P<size>\d+x\d+))?"
NAMES = (
    rf"(?P<kind>weights)_{NETWORK}\.npz",
    rf"(?P<kind>forward|extra)_{NETWORK}{SIZE}\.npz",
    rf"(?P<kind>stats)_{NETWORK}{SIZE}\.json",
    rf"(?P<kind>train)_(?P<model>{'|'.join(MODELS)})_(?P<tag>[^_]+)\.npz",
    rf"{NETWORK}\.(?P<kind>caffemodel)\.gz",
    r"(?P<kind>metrics|bilinear_kernels|train_sequence)\.npz",
    r"(?P<kind>palette21)\.npy",
    r"(?P<kind>random_order)\.json",
    r"(?P<kind>voc|sbd|nyud|siftflow|pascal_context)\.npz",
)
TREES = {
    "voc": ("voc", "sbd"),
    "sbd": ("sbd",),
    "nyud": ("nyud",),
    "siftflow": ("siftflow",),
    "pascal_context": ("pascal_context",),
}
"""Folders with images and labels, each with the names of the files that have their values."""

NO_VALUES = ("README.md", "__pycache__", "make.py", "nets.py", "draws.py", "caffe.py")
"""Other files of the folder: the README, and the scripts that make the project's own values."""


class GoldenError(ValueError):
    """A golden file is not as the README says."""


@dataclass(frozen=True)
class Case:
    """A golden file: its kind and the network of its values.

    `tag` names other weights of the same model, or a trajectory; `size` is HxW.
    """

    path: Path
    kind: str
    model: str = ""
    tag: str = ""
    size: str = ""

    @property
    def title(self) -> str:
        """The network in the table: `voc-fcn8s randdeconv 97x131`."""
        return " ".join(filter(None, (self.model, self.tag, self.size)))

    @cached_property
    def values(self) -> dict[str, Any]:
        """The values by key; the only value of a file without keys has the key ""."""
        try:
            with self.path.open("rb") as file:
                if self.path.suffix == ".gz":
                    return {"": gzip.decompress(file.read())}
                if self.path.suffix == ".json":
                    return dict(json.load(file))
                loaded = np.load(file, allow_pickle=False)
                return {"": loaded} if self.path.suffix == ".npy" else dict(loaded)
        except Exception as error:  # each format has errors of its own
            raise GoldenError(
                f"`{self.path.name}` is damaged ({error!r}). Copy it again."
            ) from error

    @cached_property
    def used(self) -> set[str]:
        """The keys that were read, so that none is passed over."""
        return set()

    def __getitem__(self, key: str) -> Any:
        if key not in self.values:
            raise self.misfit(f"lacks `{key}`")
        self.used.add(key)
        return self.values[key]

    def under(self, prefix: str) -> dict[str, Any]:
        """The values whose keys have a prefix, by the rest of their keys."""
        keys = [key for key in self.values if key.startswith(prefix)]
        return {key.removeprefix(prefix): self[key] for key in keys}

    def beside(self, name: str) -> Case:
        """Another file of the same folder."""
        if not (path := self.path.with_name(name)).exists():
            raise GoldenError(
                f"`{self.path.name}` needs `{name}` in the same folder. Copy it there too."
            )
        return case_of(path)

    @property
    def weights(self) -> Case:
        """The weights of the same network; a trajectory's tag is not its network's."""
        tag = f"_{self.tag}" if self.tag and self.kind != "train" else ""
        return self.beside(f"weights_{self.model}_narrow{tag}.npz")

    def misfit(self, why: str) -> GoldenError:
        """The error for a file that is not as the README says."""
        return GoldenError(
            f"`{self.path.name}` {why}. Make it as the README of the golden files says."
        )


def case_of(path: Path) -> Case:
    """The case that a file's name tells."""
    for name in NAMES:
        if match := re.fullmatch(name, path.name):
            return Case(path, **match.groupdict(default=""))
    raise GoldenError(
        f"Unknown golden file `{path.name}`. Name it as their README says, with a model of "
        f"{', '.join(MODELS)}, or take it out of the folder."
    )


def cases_in(folder: Path) -> list[Case]:
    """All golden files of a folder, in the order of their names."""
    if not folder.is_dir():
        raise GoldenError(f"`{folder}` is not a folder. Name the folder of the golden files.")
    paths = [path for path in sorted(folder.iterdir()) if path.name not in NO_VALUES]
    if not paths:
        raise GoldenError(f"`{folder}` holds no golden files. Name the folder that holds them.")
    return [case_of(path) for path in paths if not _is_tree(path)]


def _is_tree(path: Path) -> bool:
    """Tell if a path is a tree whose values are beside it."""
    kinds = TREES.get(path.name, ())
    return path.is_dir() and any(path.with_name(f"{kind}.npz").is_file() for kind in kinds)
