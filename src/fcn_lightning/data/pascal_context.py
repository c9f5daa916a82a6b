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

from fcn_lightning.data.dataset import read_image
from fcn_lightning.data.mat import read_mat
from fcn_lightning.data.splits import Splits, examples_in, splits_of
from fcn_lightning.data.tree import Files, Tree, find
from fcn_lightning.labels import LabelSet, by_name

RENAMED = {"table": "diningtable", "bedclothes": "bedcloth", "cloth": "clothes"}
"""Names of the original annotation, and those of the same classes among the 59."""

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
) -> Splits:
    """Make splits of PASCAL-Context.

    Args:
        name: The name of the data set in tables.
        root: The folder in which `VOCdevkit/VOC2010` and `context` lie.
        train: Training lists, of VOC2010's `ImageSets/Main`.
        val: List of the images to score.
        classes: A file with the names of the classes; None for `context/59_labels.txt`.
        average_over: Classes whose mean IU is reported in addition to that of all classes.

    Raises:
        FileNotFoundError: The images or their annotation are missing.
        ValueError: A list or class is unknown, or images of a list are missing.
    """
    top = Path(root)
    context = find([top / "context", top], "trainval", "PASCAL-Context", HOW.format(ANNOTATION))
    own = names_in(Path(classes) if classes else context / "59_labels.txt")
    labels = LabelSet("pascal_context", ("background", *(n for n in own if n != "background")))
    devkits = [top / "VOCdevkit" / "VOC2010", top / "VOC2010", top]
    voc = find(devkits, "JPEGImages", "VOC 2010", HOW.format(IMAGES))
    to_class = lookup(names_in(context / "labels.txt"), labels)
    tree = Tree(
        "pascal_context",
        top,
        by_name(Files(voc / "JPEGImages", "{}.jpg", read_image)),
        by_name(Files(context / "trainval", "{}.mat", partial(read_label, to_class=to_class))),
        voc / "ImageSets" / "Main",
    )
    return splits_of(name, labels, examples_in(tree), train, val, average_over)


def read_label(path: Path, to_class: ndarray) -> ndarray:
    """Read a label map, (h, w) uint8; `to_class` has the class of each label of the annotation.

    Raises:
        ValueError: The file has a label that the annotation does not name.
    """
    values = read_mat(path, "LabelMap")
    wrong = values[(values < 0) | (values >= len(to_class))]
    if wrong.size:
        raise ValueError(f"it has the value {int(wrong[0])}; labels.txt names {len(to_class) - 1}")
    labels: ndarray = to_class[values]
    return labels


def lookup(names: Sequence[str], labels: LabelSet) -> ndarray:
    """The class of each label of the original annotation, from 0; all others are background, 0.

    Raises:
        ValueError: The annotation does not name a class.
    """
    to_class = np.zeros(len(names) + 1, np.uint8)
    known = [RENAMED.get(name, name) for name in names]
    for index, name in enumerate(labels.classes[1:], start=1):
        if name not in known:
            raise ValueError(f"labels.txt of PASCAL-Context has no class '{name}'.")
        to_class[known.index(name) + 1] = index
    return to_class


def names_in(path: Path) -> list[str]:
    """Read the names of a list with lines such as `12: bed`.

    Raises:
        FileNotFoundError: There is no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist. {HOW.format(ANNOTATION)}")
    lines = filter(None, map(str.strip, path.read_text().splitlines()))
    return [line.partition(":")[2].strip() or line for line in lines]
