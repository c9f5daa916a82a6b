"""Training and validation images: lists of ids, their union, and the ids that are left out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from fcn_lightning.data import sbd, voc
from fcn_lightning.data.dataset import Example, SegmentationDataset
from fcn_lightning.data.tree import Tree
from fcn_lightning.labels import VOC, LabelSet

TREES: dict[str, Callable[..., Tree]] = {"voc": voc.tree, "sbd": sbd.tree}

READ_LABEL = {".png": voc.read_label, ".mat": sbd.read_label}

OFFICIAL = {
    "seg11valid": ("voc",),
    "sbd_train": ("sbd",),
    "train_aug": ("voc", "sbd"),
    "voc2012_train": ("voc",),
    "voc2012_val": ("voc",),
    "voc2012_trainval": ("voc",),
}
"""The lists in the package, each with the data sets that have its images, best label first."""


@dataclass(frozen=True)
class Splits:
    """Training and validation images, and the record of how they were selected.

    Attributes:
        name: The name of the data set in tables.
        labels: Its classes.
        train: Training images, without those of `val`.
        val: Validation images.
        val_split: Name of the validation list.
        lists: `train`, one `record` for each list; `val`, the `record` of the validation list;
            `num_train`, the number of training images; `num_left_out`, the number of images left
            out because they are scored.
        average_over: Classes whose mean IU is reported in addition to that of all classes.
    """

    name: str
    labels: LabelSet
    train: SegmentationDataset
    val: SegmentationDataset
    val_split: str
    lists: dict[str, Any]
    average_over: tuple[str, ...] = ()


def voc_and_sbd(
    name: str,
    root: str,
    train: Sequence[str],
    val: str,
    voc_root: str | None = None,
    sbd_root: str | None = None,
    download: bool = False,
    average_over: Sequence[str] = (),
    labels: LabelSet = VOC,
) -> Splits:
    """Make splits of PASCAL VOC and SBD.

    A list is an official one by its name (OFFICIAL), or one of a data set's own: `voc/train`,
    `sbd/val`. Several training lists make one ordered union of ids. An image that both data sets
    have gets VOC's label. Images of the validation list are left out of training.

    Args:
        name: The name of the data set in tables.
        root: The folder with `VOCdevkit/VOC2012` or `VOC2011`, and `sbd` or
            `benchmark_RELEASE/dataset`.
        train: Training lists.
        val: Validation list.
        voc_root: The folder of VOC, if not under `root`.
        sbd_root: The folder of SBD, if not under `root`.
        download: Download and verify what is missing.
        average_over: Classes whose mean IU is reported in addition to that of all classes.
        labels: The classes.

    Raises:
        FileNotFoundError: A data set is missing.
        ValueError: A list is unknown, or images of it are missing.
    """
    labels.indices(list(average_over))
    roots = {"voc": Path(voc_root or root), "sbd": Path(sbd_root or root)}

    @cache
    def tree(kind: str) -> Tree:
        return TREES[kind](roots[kind], download=download)

    val_examples = _examples(val, tree)
    sources = {source: _examples(source, tree) for source in train}
    union = _union(list(sources.values()))
    scored = {example.name for example in val_examples}
    kept = [example for example in union if example.name not in scored]
    if train and not kept:
        raise ValueError(
            f"No training images are left: all images of {', '.join(train)} are in {val}, which is "
            "scored."
        )
    lists = {
        "train": [record(source, examples) for source, examples in sources.items()],
        "val": record(val, val_examples),
        "num_train": len(kept),
        "num_left_out": len(union) - len(kept),
    }
    return Splits(
        name,
        labels,
        SegmentationDataset(kept, labels, READ_LABEL),
        SegmentationDataset(val_examples, labels, READ_LABEL),
        val,
        lists,
        tuple(average_over),
    )


def official(name: str) -> list[str]:
    """The ids of one of the lists in the package."""
    return files("fcn_lightning.data").joinpath("lists", f"{name}.txt").read_text().split()


def describe(lists: Mapping[str, Any]) -> str:
    """Describe the `lists` of Splits in one line."""
    sources = " + ".join(f"{r['list']} ({r['count']})" for r in lists["train"])
    val = lists["val"]
    return (
        f"training on {lists['num_train']} images of {sources}, leaving out "
        f"{lists['num_left_out']} of {val['list']}; scoring on {val['list']} ({val['count']})"
    )


def _examples(split: str, tree: Callable[[str], Tree]) -> list[Example]:
    """The examples of a list, each from the first of its data sets that has it."""
    kind, slash, own = split.partition("/")
    if slash and kind in TREES:
        trees = [tree(kind)]
        ids = trees[0].ids(own)
    elif split in OFFICIAL:
        trees = [tree(kind) for kind in OFFICIAL[split]]
        ids = official(split)
    else:
        raise ValueError(
            f"Unknown list '{split}'. Choose one of {', '.join(OFFICIAL)}, or a data set's own "
            "(voc/train, voc/val, sbd/train, ...)."
        )
    found = [(name, next((t for t in trees if t.has(name)), None)) for name in ids]
    missing = [name for name, holder in found if holder is None]
    if not found:
        raise ValueError(f"The list {split} is empty.")
    if missing:
        part = "label" if any(t.has_image(missing[0]) for t in trees) else "image"
        places = " or ".join(str(t.root) for t in trees)
        raise ValueError(
            f"{len(missing)} of {len(ids)} images of {split} are missing in {places}; the first is "
            f"{missing[0]} (no {part}). Complete the folder, or choose other lists with "
            "`data.train` and `data.val`."
        )
    return [holder.example(name) for name, holder in found if holder is not None]


def _union(sources: Sequence[Sequence[Example]]) -> list[Example]:
    """All examples in the order of first mention; of two with one id, that with VOC's PNG label."""
    union: dict[str, Example] = {}
    for example in (example for source in sources for example in source):
        known = union.setdefault(example.name, example)
        if isinstance(known.label, Path) and known.label.suffix != ".png":
            union[example.name] = example
    return list(union.values())


def record(split: str, examples: Sequence[Example]) -> dict[str, Any]:
    """The name, count and hash of a list of examples."""
    digest = hashlib.sha256("\n".join(example.name for example in examples).encode())
    return {"list": split, "count": len(examples), "sha256": digest.hexdigest()}
