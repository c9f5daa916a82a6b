"""Training and validation images: lists of ids, their union, and the ids that are left out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

from fcn_lightning.data.dataset import Example, File, SegmentationDataset
from fcn_lightning.data.tree import Tree, official
from fcn_lightning.labels import LabelSets, by_name


@dataclass(frozen=True)
class Splits:
    """Training and validation images, and the record of how they were selected.

    Attributes:
        name: The name of the data set in tables.
        labels: Its classes, of each head if there are several.
        train: Training images, without those of `val`.
        val: Validation images.
        val_split: Name of the validation list.
        lists: `train`, one `record` for each list; `val`, the `record` of the validation list;
            `num_train`, the number of training images; `num_left_out`, the number of images left
            out because they are scored.
        average_over: Classes of the first head whose mean IU is reported in addition to that of
            all classes.
        test: Test images, which a run neither trains on nor scores; None if there are none.
        remarks: A sentence for each thing in the folder that is left out.
    """

    name: str
    labels: LabelSets
    train: SegmentationDataset
    val: SegmentationDataset
    val_split: str
    lists: dict[str, Any]
    average_over: tuple[str, ...] = ()
    test: SegmentationDataset | None = None
    remarks: tuple[str, ...] = ()

    def with_test(self) -> Splits:
        """The splits with the test images in place of the validation images.

        Raises:
            ValueError: There are no test images.
        """
        if self.test is None:
            raise ValueError(f"{self.name} has no test images. Set `data.test`, or score `val`.")
        test = self.lists["test"]
        lists = {**self.lists, "val": test}
        return replace(self, val=self.test, val_split=test["list"], lists=lists)

    def with_first(self, num_train: int) -> Splits:
        """Return the same splits with the first training images alone.

        Raises:
            ValueError: There are fewer, or `num_train` is not positive.
        """
        examples = self.train.examples
        if not 1 <= num_train <= len(examples):
            raise ValueError(
                f"`data.num_train` must be 1 to {len(examples)}, the training images; got "
                f"{num_train}."
            )
        train = SegmentationDataset(examples[:num_train], self.train.labels)
        return replace(self, train=train, lists={**self.lists, "num_train": num_train})


def splits_of(
    name: str,
    labels: LabelSets,
    examples_of: Callable[[str], Sequence[Example]],
    train: Sequence[str],
    val: str,
    average_over: Sequence[str] = (),
    *,
    test: str | None = None,
    allow_overlap: bool = False,
    remarks: Sequence[str] = (),
) -> Splits:
    """Make splits of a data set's lists.

    Several training lists make one ordered union of ids. Images of the validation list and of the
    test list are left out of training.

    Args:
        name: The name of the data set in tables.
        labels: Its classes, of each head if there are several.
        examples_of: Returns the examples of a list by the list's name.
        train: Training lists.
        val: Validation list.
        average_over: Classes of the first head whose mean IU is reported in addition.
        test: Test list.
        allow_overlap: Images that are scored may be trained on.
        remarks: Sentences about what is left out.

    Raises:
        ValueError: A list is unknown, or images of it are missing, or all training images are
            scored.
    """
    next(iter(by_name(labels).values())).indices(list(average_over))
    val_examples = examples_of(val)
    sources = {source: examples_of(source) for source in train}
    union = _union(list(sources.values()))
    test_examples = examples_of(test) if test else []
    scored = {example.name for example in (*val_examples, *test_examples)}
    kept = [example for example in union if allow_overlap or example.name not in scored]
    if train and not kept:
        raise ValueError(
            f"No training images are left: all images of {', '.join(train)} are in {val}, which is "
            "scored. To train on images that are scored, set `data.allow_overlap=true`."
        )
    lists: dict[str, Any] = {
        "train": [record(source, examples) for source, examples in sources.items()],
        "val": record(val, val_examples),
        "num_train": len(kept),
        "num_left_out": len(union) - len(kept),
    }
    if test:
        lists["test"] = record(test, test_examples)
    return Splits(
        name,
        labels,
        SegmentationDataset(kept, labels),
        SegmentationDataset(val_examples, labels),
        val,
        lists,
        tuple(average_over),
        SegmentationDataset(test_examples, labels) if test else None,
        tuple(remarks),
    )


@dataclass(frozen=True)
class Sources:
    """The trees of a data set, and the lists of their ids; a call returns a list's examples.

    Attributes:
        trees: The trees by name; a list of one is `NAME/SPLIT`, or `SPLIT` if there is one tree.
        official: Lists in the package, each with the trees that have its images, best label first.
    """

    trees: Mapping[str, Tree]
    official: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __call__(self, split: str) -> list[Example]:
        """The examples of a list.

        Raises:
            FileNotFoundError: A tree is missing.
            ValueError: The list is unknown or empty, or images of it are missing.
        """
        trees = self.trees_of(split)
        for tree in trees:
            tree.require()
        return found(split, self.ids(split), trees)

    def trees_of(self, split: str) -> list[Tree]:
        """The trees that may have the images of a list.

        Raises:
            ValueError: The list is unknown.
        """
        name, slash, _ = split.partition("/")
        if slash and name in self.trees:
            return [self.trees[name]]
        if split in self.official:
            return [self.trees[name] for name in self.official[split]]
        if len(self.trees) == 1 and not self.official:
            return list(self.trees.values())
        own = ", ".join(f"{name}/train" for name in self.trees)
        raise ValueError(
            f"Unknown list '{split}'. Choose one of {', '.join(self.official)}, or a data set's "
            f"own ({own}, ...)."
        )

    def ids(self, split: str) -> list[str]:
        """The ids of a list.

        Raises:
            ValueError: The list is unknown.
        """
        (tree, *_) = self.trees_of(split)
        if split in self.official:
            return official(split)
        return tree.ids(split.removeprefix(f"{tree.name}/"))

    def official_count(self, split: str) -> int | None:
        """The number of ids in the official list of this name; None if it is unknown."""
        if split in self.official:
            return len(official(split))
        (tree,) = self.trees_of(split)
        return tree.counts.get(split.removeprefix(f"{tree.name}/"))


def holder(name: str, trees: Sequence[Tree]) -> Tree:
    """The first tree that has an id or, if none has it, the one that most likely should."""
    return next(
        chain(
            (tree for tree in trees if tree.has(name)),
            (tree for tree in trees if not tree.exists),
            (tree for tree in trees if tree.has_image(name)),
            trees,
        )
    )


def found(split: str, ids: Sequence[str], trees: Sequence[Tree]) -> list[Example]:
    """The examples of these ids, each from the first tree that has it.

    Raises:
        ValueError: There are no ids, or images or labels of them are missing.
    """
    if not ids:
        raise ValueError(f"The list {split} is empty. Put one id on each line.")
    holders = {name: holder(name, trees) for name in ids}
    if missing := [name for name, tree in holders.items() if not tree.has(name)]:
        places = " or ".join(str(tree.root) for tree in trees)
        raise ValueError(
            f"{len(missing)} of {len(ids)} images of {split} lack files in {places}: "
            f"{', '.join(holders[missing[0]].lacking(missing))}. Complete the folder, or choose "
            "other lists with `data.train` and `data.val`."
        )
    return [tree.example(name) for name, tree in holders.items()]


def describe(lists: Mapping[str, Any]) -> str:
    """Describe the `lists` of Splits in one line."""
    sources = " + ".join(f"{r['list']} ({r['count']})" for r in lists["train"])
    val = lists["val"]
    test = f"; test images: {lists['test']['count']}" if "test" in lists else ""
    return (
        f"training on {lists['num_train']} images of {sources}, leaving out "
        f"{lists['num_left_out']} of {val['list']}; scoring on {val['list']} ({val['count']}){test}"
    )


def _union(sources: Sequence[Sequence[Example]]) -> list[Example]:
    """All examples in the order of first mention; of two with one id, that with VOC's PNG label."""
    union: dict[str, Example] = {}
    for example in (example for source in sources for example in source):
        known = union.setdefault(example.name, example)
        if isinstance(known.label, File) and known.label.path.suffix != ".png":
            union[example.name] = example
    return list(union.values())


def record(split: str, examples: Sequence[Example]) -> dict[str, Any]:
    """The name, count and hash of a list of examples."""
    digest = hashlib.sha256("\n".join(example.name for example in examples).encode())
    return {"list": split, "count": len(examples), "sha256": digest.hexdigest()}
