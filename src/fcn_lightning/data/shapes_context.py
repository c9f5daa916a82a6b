"""Scenes of shapes whose background is trained, drawn from a seed into PASCAL-Context's layout.

Every pixel of the annotation has a label; the canvas and some shapes are not among the classes of
59_labels.txt. They are the background, which is trained and scored as a class.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import scipy.io
from PIL import Image

from fcn_lightning.data import pascal_context
from fcn_lightning.data.drawn import draw_once, write_lists
from fcn_lightning.data.shapes import SEED, SHAPES, scene
from fcn_lightning.data.splits import Splits

ANNOTATED = ("canvas", "cross", "disk", "ring", "square", "star", "triangle")
"""The labels of the annotation, from 1, in alphabetical order as in PASCAL-Context."""

TRAINED = ("cross", "ring", "star", "triangle")
COUNTS = {"train": 600, "val": 120}
VERSION = 1
"""Version of the set. Increase it with every change of what is drawn."""


def read(
    name: str,
    root: str,
    train: Sequence[str],
    val: str,
    classes: str | None = None,
    average_over: Sequence[str] = (),
) -> Splits:
    """Return splits of scenes; draw the set into `root` if it is missing.

    Args:
        name: The name of the data set in tables.
        root: The folder of the set.
        train: Training lists.
        val: List of the images to score.
        classes: A file with the names of the classes; None for `context/59_labels.txt`.
        average_over: Classes whose mean IU is reported in addition to that of all classes.

    Raises:
        ValueError: `root` holds another version of the set, or a list or class is unknown.
    """
    draw_once(Path(root), VERSION, _draw)
    return pascal_context.read(name, root, train, val, classes, average_over)


def _draw(root: Path) -> None:
    voc, context = root / "VOCdevkit" / "VOC2010", root / "context"
    images, lists, annotation = voc / "JPEGImages", voc / "ImageSets" / "Main", context / "trainval"
    for folder in (images, lists, annotation):
        folder.mkdir(parents=True)
    _write_names(context / "labels.txt", ANNOTATED)
    _write_names(context / "59_labels.txt", TRAINED)
    drawn = ("canvas", *SHAPES.classes[1:])
    annotated = np.array([1 + ANNOTATED.index(name) for name in drawn], np.uint16)
    names = [f"scene_{i:06d}" for i in range(sum(COUNTS.values()))]
    for i, name in enumerate(names):
        image, label = scene(np.random.default_rng((SEED, 5, i)))
        Image.fromarray(image).save(images / f"{name}.jpg", quality=90)
        label_map = {"LabelMap": annotated[label]}
        scipy.io.savemat(annotation / f"{name}.mat", label_map, do_compression=True)
    write_lists(lists, names, COUNTS)


def _write_names(path: Path, names: Sequence[str]) -> None:
    path.write_text("".join(f"{i}: {name}\n" for i, name in enumerate(names, start=1)))
