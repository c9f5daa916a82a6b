"""PASCAL VOC: where its archive puts images, labels and lists, and how its labels are read.

Source: VOCtrainval_11-May-2012.tar and VOCtrainval_25-May-2011.tar.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy import ndarray
from PIL import Image

from fcn_lightning.data.tree import Tree, find


def tree(root: Path, *, download: bool = False) -> Tree:
    """Find VOC 2012 or, if it is missing, VOC 2011 under `root`.

    Args:
        root: The VOC folder itself, or a folder in which an archive was unpacked.
        download: Download VOC 2012 if both are missing.

    Raises:
        FileNotFoundError: Both are missing.
    """
    if download and not any((folder / "JPEGImages").is_dir() for folder in _folders(root)):
        from torchvision import datasets  # takes seconds

        datasets.VOCSegmentation(str(root), year="2012", image_set="train", download=True)
    folder = find(_folders(root), "JPEGImages", "VOC", "data.voc_root")
    lists = folder / "ImageSets" / "Segmentation"
    return Tree("voc", folder, folder / "JPEGImages", folder / "SegmentationClass", ".png", lists)


def read_label(path: Path) -> ndarray:
    """Read the indices of a palette PNG, (h, w); 255 is void.

    Raises:
        ValueError: It is neither a palette nor a gray image.
    """
    with Image.open(path) as image:
        if image.mode not in ("P", "L"):
            raise ValueError(f"expected a palette PNG, got an image of mode {image.mode}")
        return np.array(image)


def _folders(root: Path) -> list[Path]:
    tops = (root, root / "VOCdevkit", root / "TrainVal" / "VOCdevkit", root / "TrainVal")
    return [root, *(top / year for year in ("VOC2012", "VOC2011") for top in tops)]
