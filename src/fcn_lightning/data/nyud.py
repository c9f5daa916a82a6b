"""NYUDv2 with 40 classes: color, depth and HHA, in the layout of the reference's archive.

Source: nyud.tar.gz, shelhamer/fcn.berkeleyvision.org nyud_layers.py. Classes: Gupta et al. 2013.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from numpy import ndarray

from fcn_lightning.data.images import read_depth, read_stored_image
from fcn_lightning.data.mat import read_mat, shifted
from fcn_lightning.data.splits import Sources, Splits, splits_of
from fcn_lightning.data.tree import Files, Tree, find
from fcn_lightning.labels import NYUD, LabelSet, by_name

SHIPPED = {split: f"nyud_{split}" for split in ("train", "val", "test")}
COUNTS = {"train": 381, "val": 414, "test": 654}
FOLDERS = {"color": "images", "depth": "depth", "hha": "hha"}
HOW = "Download nyud.tar.gz, unpack it and set `data.root` to its folder."
EVERYTHING = {"modalities": list(FOLDERS)}
"""Arguments with which all files of the data set are read."""


def read(
    name: str,
    root: str,
    train: Sequence[str],
    val: str,
    modalities: str | Sequence[str] = "color",
    average_over: Sequence[str] = (),
    labels: LabelSet = NYUD,
    allow_overlap: bool = False,
) -> Splits:
    """Make splits of NYUDv2.

    Args:
        name: The name of the data set in tables.
        root: The folder with `data` and `segmentation`, or the one in which it lies.
        train: Training lists; train and val make the reference's 795 images.
        val: List of the images to score.
        modalities: One of color, depth and hha, or several of them.
        average_over: Classes whose mean IU is reported in addition to that of all classes.
        labels: The classes.
        allow_overlap: Images that are scored may be trained on.

    Raises:
        FileNotFoundError: The data set is missing.
        ValueError: A modality or list is unknown, or images of a list are missing.
    """
    found = sources(root, modalities, labels)
    return splits_of(name, labels, found, train, val, average_over, allow_overlap=allow_overlap)


def sources(
    root: str, modalities: str | Sequence[str] = "color", labels: LabelSet = NYUD
) -> Sources:
    """The tree of NYUDv2 under `root`, and its lists.

    Raises:
        ValueError: A modality is unknown.
    """
    several = () if isinstance(modalities, str) else modalities
    chosen = {modality: modality for modality in several} or {"": str(modalities)}
    for modality in chosen.values():
        if modality not in FOLDERS:
            raise ValueError(
                f"`data.modalities` must name some of {', '.join(FOLDERS)}; got {modality!r}."
            )
    insides = ["segmentation", *(f"data/{folder}" for folder in FOLDERS.values())]
    place = find([Path(root), Path(root, "nyud")], insides, "NYUDv2", HOW)
    images = {
        key: Files(
            place.folder / "data" / FOLDERS[modality],
            "img_{}.png",
            read_depth if modality == "depth" else read_stored_image,
        )
        for key, modality in chosen.items()
    }
    segmentation = Files(
        place.folder / "segmentation", "img_{}.mat", partial(read_label, num_classes=len(labels))
    )
    tree = Tree("nyud", (place,), images, by_name(segmentation), place.folder, SHIPPED, COUNTS)
    return Sources({"nyud": tree})


def read_label(path: Path, num_classes: int = len(NYUD)) -> ndarray:
    """Read a label map, (h, w) uint8, whose classes are 1 to 40 and whose void is 0 in the file."""
    return shifted(read_mat(path, "segmentation"), num_classes, void=0)
