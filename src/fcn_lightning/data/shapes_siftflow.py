"""Scenes of shapes with two label maps, drawn from a seed into the layout of SIFT Flow.

The semantic classes are the shapes. The geometric classes tell the ground from round and angular
shapes, as those of SIFT Flow tell the sky from horizontal and vertical surfaces.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from fcn_lightning.data import siftflow
from fcn_lightning.data.drawn import draw_once, write_lists
from fcn_lightning.data.mat import write_mat
from fcn_lightning.data.shapes import SEED, SHAPES, scene, with_void
from fcn_lightning.data.siftflow import FOLDERS, INSIDE, VOIDS
from fcn_lightning.data.splits import Splits
from fcn_lightning.labels import VOID, LabelSet

SEM = LabelSet("shapes_siftflow", SHAPES.classes)
GEO = LabelSet("shapes_siftflow_geo", ("ground", "round", "angular"))
GEOMETRY = {
    "background": "ground",
    "disk": "round",
    "square": "angular",
    "triangle": "angular",
    "star": "angular",
    "cross": "angular",
    "ring": "round",
}
"""The geometric class of each semantic class."""

COUNTS = {"trainval": 600, "test": 120}
VERSION = 1
"""Version of the set. Increase it with every change of what is drawn."""


def read(
    name: str,
    root: str,
    train: Sequence[str],
    val: str,
    heads: str | Sequence[str] = ("sem", "geo"),
    average_over: Sequence[str] = (),
) -> Splits:
    """Return splits of scenes; draw the set into `root` if it is missing.

    Args:
        name: The name of the data set in tables.
        root: The folder of the set.
        train: Training lists.
        val: List of the images to score.
        heads: sem or geo, or both.
        average_over: Semantic classes whose mean IU is reported in addition to that of all.

    Raises:
        ValueError: `root` holds another version of the set, or a head or list is unknown.
    """
    draw_once(Path(root), VERSION, _draw)
    labels = {"sem": SEM, "geo": GEO}
    return siftflow.read(name, root, train, val, heads, average_over, labels)


def _draw(root: Path) -> None:
    images = root / "Images" / INSIDE
    folders = {head: root / FOLDERS[head] / INSIDE for head in FOLDERS}
    for folder in (images, *folders.values()):
        folder.mkdir(parents=True)
    geo_of = np.full(256, VOID, np.uint8)
    geo_of[: len(SEM)] = GEO.indices([GEOMETRY[name] for name in SEM.classes])
    names = [f"scene_{i:06d}" for i in range(sum(COUNTS.values()))]
    for i, name in enumerate(names):
        image, label = scene(np.random.default_rng((SEED, 4, i)))
        Image.fromarray(image).save(images / f"{name}.jpg", quality=90)
        sem = with_void(label)
        for head, values in {"sem": sem, "geo": geo_of[sem]}.items():
            write_mat(folders[head] / f"{name}.mat", "S", values, VOIDS[head])
    write_lists(root, names, COUNTS)
