"""PASCAL VOC, with SBD's additional labels of its images.

Source: VOCtrainval_11-May-2012.tar and VOCtrainval_25-May-2011.tar.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from fcn_lightning.data import sbd
from fcn_lightning.data.classes import read_classes
from fcn_lightning.data.images import open_image, read_stored_image
from fcn_lightning.data.label_files import LabelReader
from fcn_lightning.data.splits import Sources, Splits, splits_of
from fcn_lightning.data.tree import Files, Tree, downloading, find
from fcn_lightning.labels import VOC, VOID, LabelSet, by_name

HOW = (
    "Unpack VOCtrainval_11-May-2012.tar there, set `data.root` or `data.voc_root`, or download VOC "
    "with `data.download=true`."
)
COUNTS = {
    "VOC2012": {"train": 1464, "val": 1449, "trainval": 2913, "test": 1456},
    "VOC2011": {"train": 1112},
}
"""The number of ids in the lists of each year's devkit, where it is known."""

OFFICIAL = {
    "seg11valid": ("voc",),
    "sbd_train": ("sbd",),
    "train_aug": ("voc", "sbd"),
    "voc2012_train": ("voc",),
    "voc2012_val": ("voc",),
    "voc2012_trainval": ("voc",),
}
"""The lists in the package, each with the data sets that have its images, best label first."""


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
    classes: str | Sequence[Any] | Mapping[str, Any] | None = None,
    allow_overlap: bool = False,
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
        classes: A class file, or its content, for a VOC folder with other classes; SBD has none.
        allow_overlap: Images that are scored may be trained on.

    Raises:
        FileNotFoundError: A data set is missing.
        ValueError: A list is unknown, or images of it are missing, or a class file is wrong.
    """
    found = sources(root, train, val, voc_root, sbd_root, download, classes)
    if classes is not None:
        labels = read_classes(classes).label_set(name, (VOID,))
    return splits_of(name, labels, found, train, val, average_over, allow_overlap=allow_overlap)


def sources(
    root: str,
    train: Sequence[str],
    val: str,
    voc_root: str | None = None,
    sbd_root: str | None = None,
    download: bool = False,
    classes: str | Sequence[Any] | Mapping[str, Any] | None = None,
) -> Sources:
    """The trees of PASCAL VOC and SBD, and their lists.

    Args:
        root: The folder of both.
        train: Training lists.
        val: Validation list.
        voc_root: The folder of VOC, if not under `root`.
        sbd_root: The folder of SBD, if not under `root`.
        download: Download and verify what the lists need and is missing.
        classes: A class file, or its content; None for VOC's classes, whose labels are indices.
    """
    lists = (*train, val)
    needed = {kind for split in lists for kind in OFFICIAL.get(split, (split.partition("/")[0],))}
    trees = {
        "voc": tree(
            Path(voc_root or root),
            download=download and "voc" in needed,
            read=None if classes is None else LabelReader(read_classes(classes)),
        ),
        "sbd": sbd.tree(Path(sbd_root or root), download=download and "sbd" in needed),
    }
    return Sources(trees, OFFICIAL)


def tree(
    root: Path,
    *,
    download: bool = False,
    read: Callable[[Path], ndarray] | None = None,
    years: Sequence[str] = ("VOC2012", "VOC2011"),
) -> Tree:
    """The tree of VOC 2012 or, if it is missing, of VOC 2011 under `root`.

    Args:
        root: The VOC folder itself, or a folder in which an archive was unpacked.
        download: Download VOC 2012 if both are missing.
        read: Reads a label file; None for palette PNGs.
        years: The years that may be there, the preferred one first.
    """
    folders = _folders(root, years)
    if download and not any((folder / "JPEGImages").is_dir() for folder in folders):
        from torchvision import datasets  # takes seconds

        with downloading("VOC 2012", datasets.voc.DATASET_YEAR_DICT["2012"]["url"]):
            datasets.VOCSegmentation(str(root), year="2012", image_set="train", download=True)
    place = find(folders, ("JPEGImages", "SegmentationClass"), "VOC", HOW)
    images = Files(place.folder / "JPEGImages", "{}.jpg", read_stored_image)
    labels = Files(place.folder / "SegmentationClass", "{}.png", read or read_label)
    lists = place.folder / "ImageSets" / "Segmentation"
    counts = COUNTS.get(place.folder.name, {})
    return Tree("voc", (place,), by_name(images), by_name(labels), lists, counts=counts)


def read_label(path: Path) -> ndarray:
    """Read the indices of a palette PNG, (h, w); 255 is void.

    Raises:
        ValueError: It is neither a palette nor a gray image.
    """
    with open_image(path) as image:
        if image.mode not in ("P", "L"):
            raise ValueError(f"expected a palette PNG, got an image of mode {image.mode}")
        return np.array(image)


def _folders(root: Path, years: Sequence[str]) -> list[Path]:
    tops = (root, root / "VOCdevkit", root / "TrainVal" / "VOCdevkit", root / "TrainVal")
    return [root, *(top / year for year in years for top in tops)]
