"""PASCAL-Context: 59 classes and, as one more class, everything else as background.

Source: trainval.tar.gz of PASCAL-Context and VOCtrainval_03-May-2010.tar; Mottaghi et al. 2014;
shelhamer/fcn.berkeleyvision.org pascalcontext_layers.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy import ndarray

from fcn_lightning.data.dataset import LabelRangeError
from fcn_lightning.data.images import read_stored_image
from fcn_lightning.data.mat import read_mat
from fcn_lightning.data.splits import Sources, Splits, splits_of
from fcn_lightning.data.tree import Files, Place, Tree, find
from fcn_lightning.labels import LabelSet, by_name
from fcn_lightning.text_files import read_lines

RENAMED = {"diningtable": "table", "bedcloth": "bedclothes", "clothes": "cloth"}
"""Names among the 59 classes, and those of the same classes in the original annotation."""

COUNTS = {"train": 4998, "val": 5105}

HOW = "Download {}, unpack it and set `data.root` to the folder in which it lies."
ANNOTATION = "trainval.tar.gz, labels.txt and 59_labels.txt of PASCAL-Context"
IMAGES = "VOCtrainval_03-May-2010.tar"


def read(
    name: str,
    root: str,
    train: Sequence[str],
    val: str,
    classes: str | None = None,
    average_over: Sequence[str] = (),
    allow_overlap: bool = False,
) -> Splits:
    """Make splits of PASCAL-Context.

    Args:
        name: The name of the data set in tables.
        root: The folder in which `VOCdevkit/VOC2010` and `context` lie.
        train: Training lists, of VOC2010's `ImageSets/Main`.
        val: List of the images to score.
        classes: A file with the names of the classes; None for `context/59_labels.txt`.
        average_over: Classes whose mean IU is reported in addition to that of all classes.
        allow_overlap: Images that are scored may be trained on.

    Raises:
        FileNotFoundError: The images or their annotation are missing.
        ValueError: A list or class is unknown, or images of a list are missing.
    """
    found = sources(root, classes)
    for tree in found.trees.values():
        tree.require()
    labels = _labels(_context(root).folder, classes)
    return splits_of(name, labels, found, train, val, average_over, allow_overlap=allow_overlap)


def sources(root: str, classes: str | None = None) -> Sources:
    """The tree of PASCAL-Context under `root`, and its lists.

    Raises:
        FileNotFoundError: There is no file `classes`.
        ValueError: The annotation does not name a class.
    """
    top, context = Path(root), _context(root)
    devkits = [top / "VOCdevkit" / "VOC2010", top / "VOC2010", top]
    voc = find(devkits, ["JPEGImages"], "VOC 2010", HOW.format(IMAGES))
    others = [context.folder / "labels.txt"]
    if classes is None:
        others.append(context.folder / "59_labels.txt")
    to_class = np.zeros(1, np.uint8)  # not read: a tree without the names is refused
    if all(path.is_file() for path in others):
        to_class = lookup(names_in(others[0]), _labels(context.folder, classes))
    labels = Files(context.folder / "trainval", "{}.mat", partial(read_label, to_class=to_class))
    tree = Tree(
        "pascal_context",
        (voc, context),
        by_name(Files(voc.folder / "JPEGImages", "{}.jpg", read_stored_image)),
        by_name(labels),
        voc.folder / "ImageSets" / "Main",
        counts=COUNTS,
        others=tuple(others),
    )
    return Sources({"pascal_context": tree})


def read_label(path: Path, to_class: ndarray) -> ndarray:
    """Read a label map, (h, w) uint8; `to_class` has the class of each label of the annotation.

    Raises:
        LabelRangeError: The file has a label that the annotation does not name.
    """
    values = read_mat(path, "LabelMap")
    wrong = values[(values < 0) | (values >= len(to_class))]
    if wrong.size:
        raise LabelRangeError(
            f"has the value {int(wrong[0])}. labels.txt names the labels 1 to {len(to_class) - 1}."
        )
    labels: ndarray = to_class[values]
    return labels


def lookup(names: Sequence[str], labels: LabelSet) -> ndarray:
    """The class of each label of the original annotation, from 0; all others are background, 0.

    Blanks do not count, as in the reference.

    Raises:
        ValueError: The annotation does not name a class.
    """
    to_class = np.zeros(len(names) + 1, np.uint8)
    known = [name.replace(" ", "") for name in names]
    for index, name in enumerate(labels.classes[1:], start=1):
        own = name.replace(" ", "")
        own = RENAMED.get(own, own)
        if own not in known:
            raise ValueError(
                f"labels.txt of PASCAL-Context has no class '{name}'. Choose among its names."
            )
        to_class[known.index(own) + 1] = index
    return to_class


def names_in(path: Path) -> list[str]:
    """Read the names of a list with lines such as `12: bed` or `bed`."""
    return [line.partition(":")[2].strip() or line for line in read_lines(path)]


def _context(root: str) -> Place:
    top = Path(root)
    return find([top / "context", top], ["trainval"], "PASCAL-Context", HOW.format(ANNOTATION))


def _labels(context: Path, classes: str | None) -> LabelSet:
    if classes is not None and not Path(classes).is_file():
        raise FileNotFoundError(f"`data.classes` must be a file with names; {classes} is none.")
    own = names_in(Path(classes) if classes else context / "59_labels.txt")
    return LabelSet("pascal_context", ("background", *(n for n in own if n != "background")))
