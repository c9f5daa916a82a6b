"""SIFT Flow: 33 semantic and 3 geometric classes for the same images.

Source: SiftFlowDataset.zip, shelhamer/fcn.berkeleyvision.org siftflow_layers.py; Liu et al. 2011,
Tighe and Lazebnik 2010.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from numpy import ndarray

from fcn_lightning.data.images import read_stored_image
from fcn_lightning.data.mat import read_mat, shifted
from fcn_lightning.data.splits import Sources, Splits, splits_of
from fcn_lightning.data.tree import Files, Tree, find
from fcn_lightning.labels import SIFTFLOW, SIFTFLOW_GEO, LabelSet, by_name, unnamed

INSIDE = "spatial_envelope_256x256_static_8outdoorcategories"
LABELS = {"sem": SIFTFLOW, "geo": SIFTFLOW_GEO}
FOLDERS = {"sem": "SemanticLabels", "geo": "GeoLabels"}
VOIDS = {"sem": 0, "geo": -1}
UNANNOTATED = frozenset(("highway_bost181", "street_urb506"))
"""Images that the reference's lists leave out of the paper's 2,488 + 200."""

SHIPPED = {split: f"siftflow_{split}" for split in ("trainval", "test")}
COUNTS = {"trainval": 2486, "test": 200}
EVERYTHING = {"heads": list(FOLDERS)}
"""Arguments with which all files of the data set are read."""

HOW = "Download SiftFlowDataset.zip, unpack it and set `data.root` to its folder."


def read(
    name: str,
    root: str,
    train: Sequence[str],
    val: str,
    heads: str | Sequence[str] = ("sem", "geo"),
    average_over: Sequence[str] = (),
    labels: Mapping[str, LabelSet] = LABELS,
    allow_overlap: bool = False,
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
        allow_overlap: Images that are scored may be trained on.

    Raises:
        FileNotFoundError: The data set is missing.
        ValueError: A head or list is unknown, or images of a list are missing.
    """
    chosen = _chosen(heads, labels)
    of_heads = unnamed({key: labels[head] for key, head in chosen.items()})
    found = sources(root, heads, labels)
    return splits_of(name, of_heads, found, train, val, average_over, allow_overlap=allow_overlap)


def sources(
    root: str,
    heads: str | Sequence[str] = ("sem", "geo"),
    labels: Mapping[str, LabelSet] = LABELS,
) -> Sources:
    """The tree of SIFT Flow under `root`, and its lists.

    Raises:
        ValueError: A head is unknown.
    """
    top = Path(root)
    insides = [f"{folder}/{INSIDE}" for folder in ("Images", *FOLDERS.values())]
    place = find([top, top / "SiftFlowDataset", top / "siftflow"], insides, "SIFT Flow", HOW)
    images = Files(place.folder / "Images" / INSIDE, "{}.jpg", read_stored_image)
    maps = {
        key: Files(
            place.folder / FOLDERS[head] / INSIDE,
            "{}.mat",
            partial(read_label, num_classes=len(labels[head]), void=VOIDS[head]),
        )
        for key, head in _chosen(heads, labels).items()
    }
    tree = Tree(
        "siftflow",
        (place,),
        by_name(images),
        maps,
        place.folder,
        SHIPPED,
        COUNTS,
        leave_out=UNANNOTATED,
    )
    return Sources({"siftflow": tree})


def read_label(path: Path, num_classes: int, void: int) -> ndarray:
    """Read a label map, (h, w) uint8, whose classes start at 1 in the file."""
    return shifted(read_mat(path, "S"), num_classes, void)


def _chosen(heads: str | Sequence[str], labels: Mapping[str, LabelSet]) -> dict[str, str]:
    """The heads by their names in a sample; a single one has the name ""."""
    chosen = {"": heads} if isinstance(heads, str) else {head: head for head in heads}
    for head in chosen.values():
        if head not in labels:
            raise ValueError(f"`data.heads` must name some of {', '.join(labels)}; got {head!r}.")
    return chosen
