"""The files that the lists of a data set need, compared with those on disk; none is read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fcn_lightning.data.dataset import Example, SegmentationDataset
from fcn_lightning.data.splits import Sources, Splits, holder
from fcn_lightning.data.tree import Tree
from fcn_lightning.labels import by_name

MANY = 4
"""Folders of one kind of file that are counted one by one."""


@dataclass(frozen=True)
class ListCount:
    """A list of ids: how many it has, and how many the official list has if that is known.

    `path` is the list's file; None if the list is not a file of the tree.
    """

    name: str
    count: int
    official: int | None
    path: Path | None


@dataclass(frozen=True)
class FileCount:
    """Files of one kind: how many of those that the lists need are there.

    `first_missing` is the first file that is missing.
    """

    source: str
    kind: str
    folder: Path
    found: int
    needed: int
    first_missing: Path | None


@dataclass(frozen=True)
class Inventory:
    """The lists and files of a data set.

    Attributes:
        lists: The lists that could be read.
        files: The files that they need, by source and kind.
        missing: A sentence for each thing that is missing, which says how to get it.
        official_num_train: The official number of training images, if known.
    """

    lists: tuple[ListCount, ...]
    files: tuple[FileCount, ...]
    missing: tuple[str, ...]
    official_num_train: int | None = None


def inventory_of(sources: Sources, train: Sequence[str], val: str) -> Inventory:
    """Compare the lists with what is on disk.

    Raises:
        ValueError: A list is neither one of the package nor of one of the trees.
    """
    lists, missing = [], []
    needed: dict[str, dict[str, None]] = {}  # ids of each tree, in the order of the lists
    for split in dict.fromkeys((*train, val)):
        trees = sources.trees_of(split)
        for tree in trees:
            needed.setdefault(tree.name, {})
        try:
            ids = sources.ids(split)
        except ValueError as error:
            if trees[0].exists:
                missing.append(f"{error} {trees[0].how}")
            continue
        path = None if split in sources.official else trees[0].list_of(split.rpartition("/")[2])
        lists.append(ListCount(split, len(ids), sources.official_count(split), path))
        if not ids:
            missing.append(f"The list {split} is empty. Put one id on each line.")
        for name in ids:
            needed[holder(name, trees).name][name] = None
    files = []
    for name, names in needed.items():
        tree = sources.trees[name]
        counts = [*_named_files(tree), *_counts(tree, names)]
        files += counts
        missing += _missing(tree, counts)
    return Inventory(
        tuple(lists), tuple(files), tuple(missing), _official_num_train(sources, train)
    )


def _official_num_train(sources: Sources, train: Sequence[str]) -> int | None:
    """The sum of the official lists of one tree; lists of several trees may overlap."""
    counts = [sources.official_count(split) for split in train]
    trees = {tree.name for split in train for tree in sources.trees_of(split)}
    return sum(filter(None, counts)) if len(trees) == 1 and all(counts) else None


def inventory_of_splits(splits: Splits) -> Inventory:
    """The inventory of a data set whose reader says nothing about its folders."""
    named = [*splits.lists["train"], splits.lists["val"], splits.lists.get("test")]
    records = {r["list"]: r for r in named if r}
    lists = (ListCount(name, record["count"], None, None) for name, record in records.items())
    paths: dict[str, list[Path]] = {}
    for example in (*splits.train.examples, *splits.val.examples, *_of(splits.test)):
        parts = {f"{name} image".strip(): file for name, file in by_name(example.image).items()}
        if not isinstance(example.label, int):
            labels = by_name(example.label)
            parts |= {f"{name} label".strip(): file for name, file in labels.items()}
        for kind, file in parts.items():
            paths.setdefault(kind, []).append(file.path)
    files = [
        _count(splits.name, kind, folder, in_folder)
        for kind, own in paths.items()
        for folder, in_folder in _by_folder(own).items()
    ]
    return Inventory(tuple(lists), tuple(files), tuple(map(_sentence, filter(_incomplete, files))))


def _counts(tree: Tree, names: Iterable[str]) -> list[FileCount]:
    """The files of some ids, by kind."""
    return [
        _count(tree.name, kind, files.folder, [files.file(name).path for name in names])
        for kind, files in tree.kinds
    ]


def _named_files(tree: Tree) -> list[FileCount]:
    """The files that a tree has once."""
    return [_count(tree.name, path.name, path.parent, [path]) for path in tree.others]


def _count(source: str, kind: str, folder: Path, paths: Sequence[Path]) -> FileCount:
    folders = filter(Path.is_dir, {path.parent for path in paths})
    there = {path for at in folders for path in at.iterdir()}
    absent = [path for path in paths if path not in there]
    first = absent[0] if absent else None
    return FileCount(source, kind, folder, len(paths) - len(absent), len(paths), first)


def _by_folder(paths: Sequence[Path]) -> dict[Path, list[Path]]:
    """Group files by their folders, or by the folder above all if there are many."""
    folders: dict[Path, list[Path]] = {}
    for path in paths:
        folders.setdefault(path.parent, []).append(path)
    if len(folders) <= MANY:
        return folders
    return {Path(os.path.commonpath(folders)): list(paths)}


def _of(dataset: SegmentationDataset | None) -> Sequence[Example]:
    return dataset.examples if dataset else ()


def _missing(tree: Tree, counts: Iterable[FileCount]) -> list[str]:
    """List the missing parts and files of a tree, with one instruction for each part."""
    absent = [place.problem for place in tree.places if not place.exists]
    sentences: dict[str, list[str]] = {}
    for count in filter(_incomplete, counts):
        # Of two places, one may lie in the other.
        around = [place for place in tree.places if count.folder.is_relative_to(place.folder)]
        place = max(around, key=lambda place: len(place.folder.parts))
        if place.exists:
            sentences.setdefault(place.how, []).append(_sentence(count))
    return absent + [
        text if text is not own[-1] else f"{text} {how}"
        for how, own in sentences.items()
        for text in own
    ]


def _incomplete(count: FileCount) -> bool:
    return count.found < count.needed


def _sentence(count: FileCount) -> str:
    if count.needed == 1 and count.first_missing:
        return f"{count.first_missing} is missing."
    return (
        f"{count.needed - count.found} of {count.needed} {count.kind}s of {count.source} are "
        f"missing in {count.folder}; the first is {count.first_missing}."
    )
