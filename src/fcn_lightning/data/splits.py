"""Which images are trained on and which are scored: lists, unions, and what is left out of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from fcn_lightning.data import trees
from fcn_lightning.data.dataset import Example, SegmentationDataset
from fcn_lightning.data.trees import READ_LABEL, Tree
from fcn_lightning.labels import VOC, LabelSet

OFFICIAL = {
    "seg11valid": ("voc",),
    "sbd_train": ("sbd",),
    "train_aug": ("voc", "sbd"),
    "voc2012_train": ("voc",),
    "voc2012_val": ("voc",),
    "voc2012_trainval": ("voc",),
}
"""The lists that travel with the package, each with the trees that may hold its ids, best first."""


@dataclass(frozen=True)
class Splits:
    """What is trained on and what is scored, with the record of how that was chosen.

    Attributes:
        name: The data set's, as tables print it.
        labels: Its classes.
        train: Training images; those of `val` are not among them.
        val: Validation images.
        val_split: The name of the validation list.
        lists: Each list's name, count and hash, and how many ids were left out.
        average_over: Classes whose mean IU is printed beside the mean over all; empty for none.
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
    """Splits of VOC and SBD.

    A list is an official one by its name (OFFICIAL), or one of the tree's own: `voc/train`,
    `sbd/val`. Several make one ordered union of ids, VOC's label preferred where both have one;
    the validation split's ids are taken out of it.

    Args:
        name: The data set's name in tables.
        root: The folder that holds `VOCdevkit/VOC2012` or `VOC2011`, and `sbd` or
            `benchmark_RELEASE/dataset`.
        train: Lists to train on.
        val: The list to score.
        voc_root: Where VOC is, if not under `root`.
        sbd_root: Where SBD is, if not under `root`.
        download: Fetch and verify what is missing.
        average_over: Classes whose mean IU is printed beside the mean over all.
        labels: The classes.

    Raises:
        FileNotFoundError: A tree is not there.
        ValueError: A list is not known, or an id of it is not on disk.
    """
    labels.indices(list(average_over))
    roots = {"voc": Path(voc_root or root), "sbd": Path(sbd_root or root)}
    opened: dict[str, Tree] = {}

    def tree(kind: str) -> Tree:
        if kind not in opened:
            opened[kind] = getattr(trees, kind)(roots[kind], download=download)
        return opened[kind]

    val_examples = _examples(val, tree)
    sources = {source: _examples(source, tree) for source in train}
    union = _union(list(sources.values()))
    scored = {example.name for example in val_examples}
    kept = [example for example in union if example.name not in scored]
    if train and not kept:
        raise ValueError(
            f"There must be images to train on that are not in {val}; {', '.join(train)} have none."
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
    """The ids of a list that travels with the package."""
    return files("fcn_lightning.data").joinpath("lists", f"{name}.txt").read_text().split()


def describe(lists: Mapping[str, Any]) -> str:
    """A record of lists in words: what is trained on, what was left out, what is scored."""
    sources = " + ".join(f"{r['list']} ({r['count']})" for r in lists["train"])
    return (
        f"training on {lists['num_train']} images of {sources}, with {lists['num_left_out']} left "
        f"out that are in {lists['val']['list']} ({lists['val']['count']}), which is scored"
    )


def _examples(split: str, tree: Callable[[str], Tree]) -> list[Example]:
    """The examples of a list, each from the first of its trees that has it."""
    kind, slash, own = split.partition("/")
    if slash and kind in ("voc", "sbd"):
        holders = [tree(kind)]
        ids = holders[0].ids(own)
    elif split in OFFICIAL:
        holders = [tree(k) for k in OFFICIAL[split]]
        ids = official(split)
    else:
        raise ValueError(
            f"A list must be one of {', '.join(OFFICIAL)}, or a tree's own (voc/train, voc/val, "
            f"sbd/train, ...); got '{split}'."
        )
    found = [(name, next((t for t in holders if t.has(name)), None)) for name in ids]
    missing = [name for name, holder in found if holder is None]
    if not found:
        raise ValueError(f"A list must name at least one image; {split} is empty.")
    if missing:
        part = "label" if any(t.has_image(missing[0]) for t in holders) else "image"
        places = " or ".join(str(t.root) for t in holders)
        raise ValueError(
            f"Every id of {split} must be on disk; {len(missing)} of {len(ids)} are not in "
            f"{places}, the first is {missing[0]} (no {part}). Complete the tree, or choose lists "
            "of what is there by data.train and data.val."
        )
    return [holder.example(name) for name, holder in found if holder is not None]


def _union(sources: Sequence[Sequence[Example]]) -> list[Example]:
    """All examples in order of first mention; of two with one id, the VOC label (PNG) is taken."""
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
