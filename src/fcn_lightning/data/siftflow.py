"""SIFT Flow: 33 semantic and 3 geometric classes for the same images.

Source: SiftFlowDataset.zip, shelhamer/fcn.berkeleyvision.org siftflow_layers.py; Liu et al. 2011,
Tighe and Lazebnik 2010.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from numpy import ndarray

from fcn_lightning.data.dataset import read_image
from fcn_lightning.data.mat import read_mat, shifted
from fcn_lightning.data.splits import Splits, examples_in, splits_of
from fcn_lightning.data.tree import Files, Tree, find
from fcn_lightning.labels import SIFTFLOW, SIFTFLOW_GEO, LabelSet, by_name, unnamed

INSIDE = "spatial_envelope_256x256_static_8outdoorcategories"
LABELS = {"sem": SIFTFLOW, "geo": SIFTFLOW_GEO}
FOLDERS = {"sem": "SemanticLabels", "geo": "GeoLabels"}
VOIDS = {"sem": 0, "geo": -1}
UNANNOTATED = ("highway_bost181", "street_urb506")
"""Images that the reference's lists leave out of the paper's 2,488 + 200."""

HOW = "Download SiftFlowDataset.zip, unpack it and set `data.root` to its folder."


def read(
    name: str,
    root: str,
    train: Sequence[str],
    val: str,
    heads: str | Sequence[str] = ("sem", "geo"),
    average_over: Sequence[str] = (),
    labels: Mapping[str, LabelSet] = LABELS,
) -> Splits:
    """Make splits of SIFT Flow.

    Args:
        name: The name of the data set in tables.
        root: The folder with `Images`, `SemanticLabels` and `GeoLabels`, or the one in which it
            lies.
        train: Training lists.
        val: List of the images to score.
        heads: sem or geo, or both.
        average_over: Semantic classes whose mean IU is reported in addition to that of all.
        labels: The classes of each head.

    Raises:
        FileNotFoundError: The data set is missing.
        ValueError: A head or list is unknown, or images of a list are missing.
    """
    chosen = {"": heads} if isinstance(heads, str) else {head: head for head in heads}
    for head in chosen.values():
        if head not in labels:
            raise ValueError(f"`data.heads` must name some of {', '.join(labels)}; got {head!r}.")
    found = tree(Path(root), chosen, labels)
    of_heads = unnamed({key: labels[head] for key, head in chosen.items()})
    examples_of = examples_in(found, leave_out=UNANNOTATED)
    return splits_of(name, of_heads, examples_of, train, val, average_over)


def tree(root: Path, chosen: Mapping[str, str], labels: Mapping[str, LabelSet] = LABELS) -> Tree:
    """Find SIFT Flow under `root`, with a label map for each of the chosen heads.

    Raises:
        FileNotFoundError: It is missing.
    """
    top = find([root, root / "SiftFlowDataset", root / "siftflow"], "Images", "SIFT Flow", HOW)
    maps = {
        key: Files(
            top / FOLDERS[head] / INSIDE,
            "{}.mat",
            partial(read_label, num_classes=len(labels[head]), void=VOIDS[head]),
        )
        for key, head in chosen.items()
    }
    images = Files(top / "Images" / INSIDE, "{}.jpg", read_image)
    shipped = {split: f"siftflow_{split}" for split in ("trainval", "test")}
    return Tree("siftflow", top, by_name(images), maps, top, shipped)


def read_label(path: Path, num_classes: int, void: int) -> ndarray:
    """Read a label map, (h, w) uint8, whose classes start at 1 in the file."""
    return shifted(read_mat(path, "S"), num_classes, void)
