"""Tiny data sets in the official layouts, with what the reference's data layers make of them.

Each function writes a tree below `root` and returns, for each id, the values that the reference
hands to its network: images (c, h, w) and label maps (1, h, w). They are computed here from the
arrays that were written (JPEG images: from the file), without the package's readers.

Source: shelhamer/fcn.berkeleyvision.org voc_layers.py, nyud_layers.py, siftflow_layers.py,
pascalcontext_layers.py.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from fcn_lightning.data import shapes

Array = NDArray[Any]
Values = dict[str, dict[str, Array]]
"""By id, then by `image` (NYUDv2: `color`, `depth`, `hha`) and `label` (or `label_sem`, ...)."""

VOC_TRAIN, VOC_VAL = ("2007_000032", "2008_000008"), ("2007_000033", "2009_000012", "2011_000003")
SBD_TRAIN, SBD_VAL = ("2008_000002", "2008_000008", "2009_000012"), ("2010_000001",)
NYUD = {"train": ("5003", "5007"), "val": ("5011",), "test": ("5001", "5002", "5014")}
SIFTFLOW = {
    "trainval": ("coast_a1", "street_b2", "forest_c3"),
    "test": ("highway_d4", "mountain_e5"),
}
CONTEXT = {"train": ("2008_000002", "2009_000010"), "val": ("2008_000008", "2010_000033")}

VOC_MEAN = np.array((104.00699, 116.66877, 122.67892))  # float64, as in the reference
CONTEXT_MEAN = np.array((104.007, 116.669, 122.679), np.float32)
SIFTFLOW_MEAN = np.array((114.578, 115.294, 108.353), np.float32)
COLOR_MEAN = np.array((116.190, 97.203, 92.318), np.float32)
HHA_MEAN = np.array((132.431, 94.076, 118.477), np.float32)
LOG_DEPTH_MEAN = np.float32(7.844)

INSIDE = "spatial_envelope_256x256_static_8outdoorcategories"
NAMES = Path(__file__).parent / "pascal_context"
TASK_NAMES = {"diningtable": "table", "bedcloth": "bedclothes", "clothes": "cloth"}


def voc(root: Path, rng: Generator) -> Values:
    """Write `VOCdevkit/VOC2011`: palette PNGs, 0 to 20 and 255 for void."""
    top = root / "VOCdevkit" / "VOC2011"
    lists = {"train": VOC_TRAIN, "val": VOC_VAL, "trainval": VOC_TRAIN + VOC_VAL}
    _save_lists(top / "ImageSets" / "Segmentation", lists)
    values = {}
    for name in lists["trainval"]:
        image = _save_jpeg(top / "JPEGImages" / f"{name}.jpg", _pixels(rng, _size(rng)))
        label = _labels(rng, image.shape[:2], [*range(21), 255]).astype(np.uint8)
        _save_palette(top / "SegmentationClass" / f"{name}.png", label)
        values[name] = {"image": _bgr(image, VOC_MEAN), "label": label[None]}
    return values


def sbd(root: Path, rng: Generator) -> Values:
    """Write `sbd`: nested structures in MATLAB files, 0 to 20 and no void.

    An image that a VOC tree below `root` has is a copy of it.
    """
    top, jpegs = root / "sbd", root / "VOCdevkit" / "VOC2011" / "JPEGImages"
    _save_lists(top, {"train": SBD_TRAIN, "val": SBD_VAL})
    values = {}
    for name in SBD_TRAIN + SBD_VAL:
        place = top / "img" / f"{name}.jpg"
        if (jpegs / place.name).exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(jpegs / place.name, place)
            image = _decoded(place)
        else:
            image = _save_jpeg(place, _pixels(rng, _size(rng)))
        label = _labels(rng, image.shape[:2], range(21)).astype(np.uint8)
        boundaries = np.empty((20, 1), object)
        boundaries[:, 0] = [np.zeros(label.shape, np.uint8) for _ in range(20)]
        structure = {
            "Boundaries": boundaries,
            "Segmentation": label,
            "CategoriesPresent": np.arange(1, 21, dtype=np.uint8)[:, None],
        }
        save_mat(top / "cls" / f"{name}.mat", {"GTcls": structure})
        values[name] = {"image": _bgr(image, VOC_MEAN), "label": label[None]}
    return values


def nyud(root: Path, rng: Generator) -> Values:
    """Write `data`, `segmentation` and lists: depth of 16 bits, labels of 1 to 40, 0 for void."""
    _save_lists(root, NYUD)
    values = {}
    for name in (name for names in NYUD.values() for name in names):
        size = _size(rng)
        color, hha = _pixels(rng, size), _pixels(rng, size)
        depth = rng.integers(1, 2**16, size).astype(np.uint16)  # the reference cannot take 0
        label = _labels(rng, size, range(41)).astype(np.uint16)
        for folder, pixels in (("images", color), ("depth", depth), ("hha", hha)):
            place = root / "data" / folder / f"img_{name}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(place)
        save_mat(root / "segmentation" / f"img_{name}.mat", {"segmentation": label})
        values[name] = {
            "color": _bgr(color, COLOR_MEAN),
            "depth": (np.log(depth.astype(np.float32)) - LOG_DEPTH_MEAN)[None],
            "hha": (hha.astype(np.float32) - HHA_MEAN).transpose(2, 0, 1),
            "label": _shifted(label)[None],
        }
    return values


def siftflow(root: Path, rng: Generator) -> Values:
    """Write `Images`, `SemanticLabels`, `GeoLabels` and lists.

    Labels are doubles: semantic 1 to 33, 0 for void; geometric 1 to 3, -1 for void.
    """
    _save_lists(root, SIFTFLOW)
    values = {}
    for name in (name for names in SIFTFLOW.values() for name in names):
        image = _save_jpeg(root / "Images" / INSIDE / f"{name}.jpg", _pixels(rng, _size(rng)))
        sem = _labels(rng, image.shape[:2], range(34)).astype(np.float64)
        geo = _labels(rng, image.shape[:2], (-1, 1, 2, 3)).astype(np.float64)
        for folder, label in (("SemanticLabels", sem), ("GeoLabels", geo)):
            content = {"S": label, "names": np.array([["void", "sky"]], object)}
            save_mat(root / folder / INSIDE / f"{name}.mat", content)
        values[name] = {
            "image": _bgr(image, SIFTFLOW_MEAN),
            "label_sem": _shifted(sem)[None],
            "label_geo": _shifted(np.where(geo == -1, 0, geo))[None],
        }
    return values


def pascal_context(root: Path, rng: Generator) -> Values:
    """Write `VOCdevkit/VOC2010` and `context`: labels of 1 to 459, with the official names."""
    voc2010, context = root / "VOCdevkit" / "VOC2010", root / "context"
    _save_lists(voc2010 / "ImageSets" / "Main", CONTEXT)
    context.mkdir(parents=True, exist_ok=True)
    for names in ("labels.txt", "59_labels.txt"):
        shutil.copy(NAMES / names, context)
    all_names, task_names = (_names(context / f) for f in ("labels.txt", "59_labels.txt"))
    values = {}
    for name in (name for names in CONTEXT.values() for name in names):
        image = _save_jpeg(voc2010 / "JPEGImages" / f"{name}.jpg", _pixels(rng, _size(rng)))
        written = _labels(rng, image.shape[:2], range(1, 460)).astype(np.uint16)
        save_mat(context / "trainval" / f"{name}.mat", {"LabelMap": written})
        label = np.zeros(written.shape, np.uint8)
        for index, task in enumerate(task_names, start=1):
            label[written == all_names.index(TASK_NAMES.get(task, task)) + 1] = index
        values[name] = {"image": _bgr(image, CONTEXT_MEAN), "label": label[None]}
    return values


TREES: dict[str, tuple[str, Callable[[Path, Generator], Values]]] = {
    "voc": ("voc", voc),
    "sbd": ("voc", sbd),
    "nyud": ("nyud", nyud),
    "siftflow": ("siftflow", siftflow),
    "pascal_context": ("pascal_context", pascal_context),
}
"""For each data set, the folder of its tree beside `NAME.npz`, and the function that writes it."""


def write(folder: Path, *names: str, seed: int = 0) -> dict[str, Values]:
    """Write trees, and `NAME.npz` with the values of each; return the values by data set."""
    rng, values = np.random.default_rng(seed), {}
    for name in names or TREES:
        place, make = TREES[name]
        values[name] = make(folder / place, rng)
        save(folder / f"{name}.npz", values[name])
    return values


def few_shapes(root: Path) -> None:
    """Draw the embedded set with 6 + 5 scenes and 12 + 6 single shapes."""
    counts = {"TRAIN": 6, "VAL": 5, "SHARED": 2, "SINGLE_TRAIN": 12, "SINGLE_VAL": 6}
    with pytest.MonkeyPatch.context() as patch:
        for name, count in counts.items():
            patch.setattr(shapes, f"NUM_{name}", count)
        shapes.draw(root)


def save(path: Path, values: Mapping[str, Mapping[str, Array]]) -> None:
    """Write values as `ID/image`, `ID/label`."""
    flat: dict[str, Any] = {}
    for name, own in values.items():
        flat |= {f"{name}/{key}": array for key, array in own.items()}
    np.savez(path, **flat)


def _size(rng: Generator) -> tuple[int, int]:
    h, w = rng.integers(22, 48, 2)
    return int(h), int(w)


def _pixels(rng: Generator, size: tuple[int, int]) -> Array:
    return rng.integers(256, size=(*size, 3)).astype(np.uint8)


def _labels(rng: Generator, size: Sequence[int], values: Iterable[int]) -> Array:
    """A map of random values, with each of them at least once."""
    every = np.array(list(values))
    flat = rng.choice(every, int(np.prod(size)))
    flat[: len(every)] = every
    return rng.permutation(flat).reshape(tuple(size))


def _bgr(image: Array, mean: Array) -> Array:
    pixels = image.astype(np.float32)[:, :, ::-1]
    pixels -= mean
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _shifted(label: Array) -> Array:
    """The label less 1 in 8 bits, which makes 255 of 0."""
    shifted = label.astype(np.uint8)
    shifted -= 1
    return shifted


def _names(path: Path) -> list[str]:
    return [line.partition(":")[2].replace(" ", "") for line in path.read_text().splitlines()]


def _save_jpeg(path: Path, pixels: Array) -> Array:
    """Write a JPEG file and return the pixels that it decodes to."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return _decoded(path)


def _decoded(path: Path) -> Array:
    with Image.open(path) as image:
        return np.array(image)


def _save_palette(path: Path, label: Array) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(label)
    picture.putpalette(np.random.default_rng(0).integers(256, size=768).astype(np.uint8).tobytes())
    picture.save(path)


def save_mat(path: Path, content: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(path, dict(content), do_compression=True)


def _save_lists(folder: Path, lists: Mapping[str, Sequence[str]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for split, names in lists.items():
        (folder / f"{split}.txt").write_text("".join(f"{name}\n" for name in names))
