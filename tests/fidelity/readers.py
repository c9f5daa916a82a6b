"""Readers of data: the images and labels of a tree in an official layout."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from fcn_lightning.data import nyud, pascal_context, sbd, siftflow, voc
from fcn_lightning.data.dataset import Example, SegmentationDataset
from fcn_lightning.data.tree import Tree
from fcn_lightning.labels import NYUD, PASCAL_CONTEXT, VOC, LabelSets, by_name
from fcn_lightning.models.normalize import NORMALIZATIONS, Normalize
from fidelity.cases import TREES, Case, GoldenError
from fidelity.compare import IMAGE, Array, Pair, Row, compare


class Reader(NamedTuple):
    """A data set of ours: its tree under a folder, its classes, and its normalizations."""

    tree: Callable[[Path], Tree]
    labels: LabelSets
    normalize: Mapping[str, str]


def _nyud(root: Path) -> Tree:
    return nyud.sources(str(root), list(nyud.FOLDERS)).trees["nyud"]


def _siftflow(root: Path) -> Tree:
    return siftflow.sources(str(root)).trees["siftflow"]


def _pascal_context(root: Path) -> Tree:
    return pascal_context.sources(str(root)).trees["pascal_context"]


READERS = {
    "voc": Reader(voc.tree, VOC, {"": "caffe"}),
    "sbd": Reader(sbd.tree, VOC, {"": "caffe"}),
    "nyud": Reader(_nyud, NYUD, {name: f"nyud_{name}" for name in nyud.FOLDERS}),
    "siftflow": Reader(_siftflow, siftflow.LABELS, {"": "siftflow"}),
    "pascal_context": Reader(_pascal_context, PASCAL_CONTEXT, {"": "pascal_context"}),
}


def check_reader(case: Case, device: str) -> list[Row]:
    """Compare the images, after normalization, and the labels of each id of the file.

    The tree's lists are not needed. What cannot be read differs infinitely.
    """
    tree = _tree(case)
    kinds = {_key(part, name): kind for (part, name), (kind, _) in zip(_parts(tree), tree.kinds)}
    pairs: dict[str, list[Pair]] = {key: [] for key in kinds}
    for name in dict.fromkeys(key.rpartition("/")[0] for key in case.values):
        golden = {key: case[f"{name}/{key}"] for key in kinds if f"{name}/{key}" in case.values}
        ours, why = _values(_example(tree, name, golden), READERS[case.kind], device)
        for key, values in golden.items():
            unread = np.full(values.shape, np.nan)
            pairs[key].append(Pair(name + why, ours.get(key, unread), values))
    rows = []
    for key, kind in kinds.items():
        what = f"{{}} {kind}" if len(pairs[key]) == 1 else f"{{}} {kind}s"
        tolerance = 0.0 if key.startswith("label") else IMAGE
        rows += compare(case.kind, what, tolerance, pairs[key])
    return rows


def _parts(tree: Tree) -> list[tuple[str, str]]:
    """The images and labels of a tree: `("image", "hha")`, `("label", "sem")`."""
    return [("image", name) for name in tree.images] + [("label", name) for name in tree.labels]


def _key(part: str, name: str) -> str:
    """The key of an image or a label in golden files."""
    return (f"label_{name}" if part == "label" else name) if name else part


def _example(tree: Tree, name: str, keys: Container[str]) -> Example:
    """The files of an id that have golden values."""
    images = {m: files for m, files in tree.images.items() if _key("image", m) in keys}
    labels = {head: files for head, files in tree.labels.items() if _key("label", head) in keys}
    return replace(tree, images=images or tree.images, labels=labels).example(name)


def _tree(case: Case) -> Tree:
    """The tree beside a file."""
    folders = [case.path.with_name(name) for name, kinds in TREES.items() if case.kind in kinds]
    trees = [READERS[case.kind].tree(folder) for folder in folders]
    tree = next((tree for tree in trees if tree.exists), trees[0])
    try:
        tree.require()
    except FileNotFoundError as error:
        raise GoldenError(
            f"`{case.path.name}` needs its tree in the same folder: {error}"
        ) from error
    return tree


def _values(example: Example, reader: Reader, device: str) -> tuple[dict[str, Array], str]:
    """The values of an example by their keys in golden files; or why it cannot be read."""
    try:
        sample = SegmentationDataset([example], reader.labels)[0]
    except ValueError as error:
        return {}, f": {error}"
    labels = by_name(sample["label"])
    values = {_key("label", head): label[None].numpy() for head, label in labels.items()}
    for modality, image in by_name(sample["image"]).items():
        normalize = Normalize(NORMALIZATIONS[reader.normalize[modality]]).to(device)
        with torch.inference_mode():
            values[_key("image", modality)] = normalize(image[None].to(device))[0].cpu().numpy()
    return values, ""
