"""Scenes of shapes with depth, drawn from a seed into the layout of NYUDv2.

Each shape is a board that hangs before what it covers. On the wall, half of the boards are
camouflaged: they have the color of the wall, and only their depth shows them. The other half are
stickers: they have the depth of the wall, and only their color shows them. A board that covers
others is plain, with a color and a depth of its own: a sticker on a camouflaged board would look
like the camouflaged board before the sticker.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy import ndarray
from numpy.random import Generator
from PIL import Image, ImageDraw

from fcn_lightning.data import nyud
from fcn_lightning.data.drawn import draw_once, write_lists
from fcn_lightning.data.mat import write_mat
from fcn_lightning.data.shapes import SEED, SHAPES, paint, photograph, placed, texture, with_void
from fcn_lightning.data.splits import Splits
from fcn_lightning.labels import LabelSet

LABELS = LabelSet("shapes_nyud", SHAPES.classes)
COUNTS = {"train": 400, "val": 200, "test": 120}
VERSION = 1
"""Version of the set. Increase it with every change of what is drawn."""


def read(
    name: str,
    root: str,
    train: Sequence[str],
    val: str,
    modalities: str | Sequence[str] = "color",
    average_over: Sequence[str] = (),
) -> Splits:
    """Return splits of scenes; draw the set into `root` if it is missing.

    Args:
        name: The name of the data set in tables.
        root: The folder of the set.
        train: Training lists.
        val: List of the images to score.
        modalities: color or depth, or both.
        average_over: Classes whose mean IU is reported in addition to that of all classes.

    Raises:
        ValueError: `root` holds another version of the set, or a modality or list is unknown.
    """
    draw_once(Path(root), VERSION, _draw)
    return nyud.read(name, root, train, val, modalities, average_over, LABELS)


def scene(rng: Generator) -> tuple[ndarray, ndarray, ndarray]:
    """Draw an image (h, w, 3), its depth in mm, (h, w) uint16, and its label map without void."""
    h, w = int(rng.integers(112, 145)), int(rng.integers(128, 177))
    image, depth, label = texture(rng, h, w, spread=30.0), _wall(rng, h, w), np.zeros((h, w), "u1")
    for _ in range(rng.integers(2, 5)):
        shape, mask = placed(rng, (h, w))
        on_wall = ("camouflaged", "sticker")[rng.integers(2)]
        add(rng, image, depth, mask, "plain" if label[mask].any() else on_wall)
        label[mask] = shape
    return photograph(rng, image), sense(rng, depth), label


def add(rng: Generator, image: ndarray, depth: ndarray, mask: ndarray, kind: str) -> None:
    """Add a shape, plain, camouflaged or a sticker, to the colors and the depths of a scene."""
    if not mask.any():
        return
    if kind != "camouflaged":
        paint(rng, image, mask)
    if kind != "sticker":
        depth[mask] = depth[mask].min() * rng.uniform(0.6, 0.75)


def sense(rng: Generator, depth: ndarray) -> ndarray:
    """Measure the depths as a sensor does, in whole mm, with noise; 0 where it sees nothing.

    It sees nothing in the shadow at the left of nearer surfaces, or on a few reflecting spots.
    """
    h, w = depth.shape
    shadow = np.zeros((h, w), bool)
    shadow[:, :-2] = depth[:, :-2] > 1.1 * depth[:, 2:]
    spots = Image.new("1", (w, h))
    for _ in range(rng.integers(3)):
        (x, y), radius = rng.uniform(0, (w, h)), rng.uniform(2, 5)
        ImageDraw.Draw(spots).ellipse((x - radius, y - radius, x + radius, y + radius), fill=1)
    noisy = depth * rng.normal(1, 0.01, (h, w))
    return np.where(shadow | np.array(spots), 0, noisy.round()).astype(np.uint16)


def _wall(rng: Generator, h: int, w: int) -> ndarray:
    """Return the depths of a flat wall, slightly turned from the image plane."""
    turn_y, turn_x = rng.uniform(-100, 100, 2)
    rows, columns = np.linspace(-0.5, 0.5, h)[:, None], np.linspace(-0.5, 0.5, w)[None]
    wall: ndarray = rng.uniform(3000, 3400) + turn_y * rows + turn_x * columns
    return wall


def _draw(root: Path) -> None:
    images, depths = root / "data" / "images", root / "data" / "depth"
    labels = root / "segmentation"
    for folder in (images, depths, labels):
        folder.mkdir(parents=True)
    names = [f"{i:04d}" for i in range(sum(COUNTS.values()))]
    for i, name in enumerate(names):
        image, depth, label = scene(np.random.default_rng((SEED, 3, i)))
        Image.fromarray(image).save(images / f"img_{name}.png", compress_level=1)
        Image.fromarray(depth).save(depths / f"img_{name}.png", compress_level=1)
        write_mat(labels / f"img_{name}.mat", "segmentation", with_void(label), void=0)
    write_lists(root, names, COUNTS)
