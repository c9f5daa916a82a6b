"""SBD: where its archive puts images, labels and lists, and how its labels are read.

Source: Hariharan et al. 2011, benchmark.tgz.
"""

from __future__ import annotations

from pathlib import Path

from numpy import ndarray

from fcn_lightning.data.images import read_stored_image
from fcn_lightning.data.mat import load_mat, whole_numbers
from fcn_lightning.data.tree import Files, Tree, downloading, find
from fcn_lightning.labels import by_name

HOW = (
    "Unpack benchmark.tgz there, set `data.root` or `data.sbd_root`, or download SBD with "
    "`data.download=true`."
)
COUNTS = {"train": 8498, "val": 2857}


def tree(root: Path, *, download: bool = False) -> Tree:
    """The tree of SBD under `root`, in the layout of its archive or of torchvision.

    Args:
        root: The folder with `img` and `cls`, or one in which the archive was unpacked.
        download: Download SBD if it is missing.
    """
    if download and not any((folder / "img").is_dir() for folder in _folders(root)):
        from torchvision import datasets  # takes seconds

        (root / "sbd").mkdir(parents=True, exist_ok=True)
        with downloading("SBD", datasets.sbd.SBDataset.url):
            datasets.SBDataset(str(root / "sbd"), mode="segmentation", download=True)
    place = find(_folders(root), ("img", "cls"), "SBD", HOW)
    images = Files(place.folder / "img", "{}.jpg", read_stored_image)
    labels = Files(place.folder / "cls", "{}.mat", read_label)
    return Tree("sbd", (place,), by_name(images), by_name(labels), place.folder, counts=COUNTS)


def read_label(path: Path) -> ndarray:
    """Read the class segmentation of a `cls/*.mat` file, (h, w); SBD has no void pixels.

    Raises:
        ValueError: It cannot be read, or has no class segmentation.
    """
    content = load_mat(path, "GTcls")
    names = content.dtype.names if isinstance(content, ndarray) else ()
    if "Segmentation" not in (names or ()) or not content.size:
        raise ValueError("its `GTcls` has no `Segmentation`")
    return whole_numbers(content["Segmentation"].flat[0], "Segmentation")


def _folders(root: Path) -> list[Path]:
    return [root / "sbd", root / "benchmark_RELEASE" / "dataset", root / "dataset", root]
