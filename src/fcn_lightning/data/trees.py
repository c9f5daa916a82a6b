"""The folders that the official archives of VOC and SBD unpack to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import scipy.io
from numpy import ndarray
from PIL import Image
from torchvision import datasets

from fcn_lightning.data.dataset import Example


@dataclass(frozen=True)
class Tree:
    """Images, labels and lists of ids of one data set on disk."""

    name: str
    root: Path
    images: Path
    labels: Path
    label_suffix: str
    lists: Path

    def ids(self, split: str) -> list[str]:
        """The ids of one of the tree's own lists.

        Raises:
            ValueError: There is no such list.
        """
        path = self.lists / f"{split}.txt"
        if not path.is_file():
            there = ", ".join(sorted(p.stem for p in self.lists.glob("*.txt"))) or "none"
            raise ValueError(f"{path} must list the ids of {self.name}/{split}; there is {there}.")
        return path.read_text().split()

    @cached_property
    def _image_names(self) -> frozenset[str]:
        return frozenset(path.name for path in self.images.iterdir())

    @cached_property
    def _label_names(self) -> frozenset[str]:
        return frozenset(path.name for path in self.labels.iterdir())

    def has_image(self, name: str) -> bool:
        return f"{name}.jpg" in self._image_names

    def has(self, name: str) -> bool:
        """Whether an id has both image and label here."""
        return self.has_image(name) and f"{name}{self.label_suffix}" in self._label_names

    def example(self, name: str) -> Example:
        return Example(
            name, self.images / f"{name}.jpg", self.labels / f"{name}{self.label_suffix}"
        )


def voc(root: Path, *, download: bool = False) -> Tree:
    """The VOC tree under `root`: 2012's, or 2011's, also where its archive puts it.

    Source: PASCAL VOC, VOCtrainval_11-May-2012.tar and VOCtrainval_25-May-2011.tar.

    Raises:
        FileNotFoundError: There is none.
    """
    if download and not any((path / "JPEGImages").is_dir() for path in _voc_folders(root)):
        datasets.VOCSegmentation(str(root), year="2012", image_set="train", download=True)
    folder = _first(_voc_folders(root), "JPEGImages", "VOC", "data.voc_root")
    lists = folder / "ImageSets" / "Segmentation"
    return Tree("voc", folder, folder / "JPEGImages", folder / "SegmentationClass", ".png", lists)


def sbd(root: Path, *, download: bool = False) -> Tree:
    """The SBD tree under `root`, as torchvision unpacks it or as the archive itself does.

    Source: Hariharan et al. 2011, benchmark.tgz.

    Raises:
        FileNotFoundError: There is none.
    """
    if download and not any((path / "img").is_dir() for path in _sbd_folders(root)):
        (root / "sbd").mkdir(parents=True, exist_ok=True)
        datasets.SBDataset(str(root / "sbd"), mode="segmentation", download=True)
    folder = _first(_sbd_folders(root), "img", "SBD", "data.sbd_root")
    return Tree("sbd", folder, folder / "img", folder / "cls", ".mat", folder)


def read_palette_png(path: Path) -> ndarray:
    """The indices of a palette PNG, (h, w).

    Raises:
        ValueError: It is no palette or grey image.
    """
    with Image.open(path) as image:
        if image.mode not in ("P", "L"):
            raise ValueError(f"a palette PNG is needed, this one is {image.mode}")
        return np.array(image)


def read_sbd_mat(path: Path) -> ndarray:
    """The class segmentation of one of SBD's `cls/*.mat` files, (h, w)."""
    segmentation: ndarray = scipy.io.loadmat(path)["GTcls"]["Segmentation"][0, 0]
    return segmentation


READ_LABEL = {".png": read_palette_png, ".mat": read_sbd_mat}


def _voc_folders(root: Path) -> list[Path]:
    tops = (root, root / "VOCdevkit", root / "TrainVal" / "VOCdevkit", root / "TrainVal")
    return [root, *(top / year for year in ("VOC2012", "VOC2011") for top in tops)]


def _sbd_folders(root: Path) -> list[Path]:
    return [root / "sbd", root / "benchmark_RELEASE" / "dataset", root / "dataset", root]


def _first(folders: Iterable[Path], inside: str, name: str, key: str) -> Path:
    folders = list(folders)
    for folder in folders:
        if (folder / inside).is_dir():
            return folder
    raise FileNotFoundError(
        f"The {name} tree, with a folder {inside}, must be in one of "
        f"{', '.join(map(str, folders))}; it is not. Name its place by `data.root` or `{key}`, or "
        "fetch it with data.download=true."
    )
