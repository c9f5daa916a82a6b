"""The embedded data set: scenes of shapes drawn from a seed into the layouts of VOC and SBD.

Shapes have random colors, so that only their form identifies them. Stars, crosses and rings have
parts that a prediction of stride 32 cannot follow. The radii are chosen for this: sampled at the
centre of cells of 32, 16, 8 and 4 pixels, the validation labels have a mean IU of 50.6, 71.4, 86.4
and 93.6 % with themselves (`nearest` of `upper_bounds`; python benchmarks/upper_bounds.py
data=shapes), so that each skip can improve the prediction.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import scipy.io
from numpy import ndarray
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFilter

from fcn_lightning.data.dataset import Example, File, SegmentationDataset
from fcn_lightning.data.drawn import draw_once
from fcn_lightning.data.images import read_stored_image
from fcn_lightning.data.splits import Splits, record
from fcn_lightning.data.voc import voc_and_sbd
from fcn_lightning.labels import VOID, LabelSet, voc_palette

SHAPES = LabelSet("shapes", ("background", "disk", "square", "triangle", "star", "cross", "ring"))
SINGLE_SHAPES = LabelSet("single_shapes", SHAPES.classes[1:])

NUM_TRAIN, NUM_VAL, NUM_SHARED = 600, 120, 12
NUM_SINGLE_TRAIN, NUM_SINGLE_VAL = 1200, 120
SINGLE_SIZE = 72
SEED = 2015
VERSION = 2
"""Version of the set. Increase it with every change of what is drawn."""


def scenes(
    name: str,
    root: str,
    train: Sequence[str],
    val: str,
    num_train: int | None = None,
    average_over: Sequence[str] = (),
) -> Splits:
    """Return splits of scenes; draw the set into `root` if it is missing.

    SBD's tree has the training scenes, with `.mat` labels without void; VOC's has the validation
    scenes, with palette PNGs whose shapes have a void border. As in the real data sets, some
    validation scenes are also in SBD's training list.

    Args:
        name: The name of the data set in tables.
        root: The folder of the set.
        train: Training lists.
        val: Validation list.
        num_train: Train on this many of the training scenes, the first ones; None for all.
        average_over: Classes whose mean IU is reported in addition.

    Raises:
        ValueError: `root` holds another version of the set, or `num_train` is out of range.
    """
    draw(Path(root))
    splits = voc_and_sbd(name, root, train, val, average_over=average_over, labels=SHAPES)
    return splits if num_train is None else splits.with_first(num_train)


def singles(name: str, root: str) -> Splits:
    """Return splits of single shapes to classify; draw the set into `root` if it is missing.

    Raises:
        ValueError: `root` holds another version of the set.
    """
    draw(Path(root))
    train, val = (_single_examples(Path(root) / "single" / part) for part in ("train", "val"))
    lists = {
        "train": [record("single/train", train)],
        "val": record("single/val", val),
        "num_train": len(train),
        "num_left_out": 0,
    }
    train_set, val_set = (SegmentationDataset(part, SINGLE_SHAPES) for part in (train, val))
    return Splits(name, SINGLE_SHAPES, train_set, val_set, "single/val", lists)


def draw(root: Path) -> None:
    """Draw the set into `root` if the folder does not exist.

    Raises:
        ValueError: `root` exists and does not hold this version of the set.
    """
    draw_once(root, VERSION, _draw)


def scene(rng: Generator) -> tuple[ndarray, ndarray]:
    """Draw an image (h, w, 3) of two to five shapes and its label map (h, w) without void."""
    h, w = int(rng.integers(112, 145)), int(rng.integers(128, 177))
    image, label = texture(rng, h, w, spread=30.0), np.zeros((h, w), np.uint8)
    for _ in range(rng.integers(2, 6)):
        shape, mask = placed(rng, (h, w))
        paint(rng, image, mask)
        label[mask] = shape
    return photograph(rng, image), label


def placed(rng: Generator, size: tuple[int, int]) -> tuple[int, ndarray]:
    """Return the label of a shape at random, and its pixels in a scene, (h, w) bool."""
    h, w = size
    shape = int(rng.integers(1, len(SHAPES)))
    center = (rng.uniform(0.05, 0.95) * w, rng.uniform(0.05, 0.95) * h)
    return shape, _mask(rng, shape, size, center, radius=rng.uniform(14, 44))


def single(rng: Generator, shape: int) -> ndarray:
    """Draw an image, 72 x 72, of one shape (its label in a scene) near the middle."""
    size = (SINGLE_SIZE, SINGLE_SIZE)
    image = texture(rng, SINGLE_SIZE, SINGLE_SIZE, spread=30.0)
    center = tuple(rng.uniform(0.35, 0.65, 2) * SINGLE_SIZE)
    paint(rng, image, _mask(rng, shape, size, center, radius=rng.uniform(12, 30)))
    return photograph(rng, image)


def with_void(label: ndarray) -> ndarray:
    """Return the label map with a void border, two pixels wide, wherever two labels meet."""
    picture = Image.fromarray(label)
    high = np.array(picture.filter(ImageFilter.MaxFilter(3)))
    low = np.array(picture.filter(ImageFilter.MinFilter(3)))
    return np.where(high != low, VOID, label).astype(np.uint8)


def _outline(shape: str) -> ndarray:
    """Return the corners of a shape in the unit circle, (n, 2); of a ring, those of its outside."""

    def around(n: int, radii: Sequence[float]) -> ndarray:
        angle = 2 * np.pi * np.arange(n) / n
        radius = np.resize(np.array(radii), n)
        return np.stack([np.cos(angle) * radius, np.sin(angle) * radius], axis=1)

    arm = 0.25
    quarter = np.array([[arm, arm], [arm, 1.0], [-arm, 1.0]])
    turn = np.array([[0.0, -1.0], [1.0, 0.0]])
    corners = {
        "disk": lambda: around(40, [1.0]),
        "square": lambda: around(4, [1.0]),
        "triangle": lambda: around(3, [1.0]),
        "star": lambda: around(10, [1.0, 0.4]),
        "cross": lambda: np.concatenate(
            [quarter @ np.linalg.matrix_power(turn.T, k) for k in range(4)]
        ),
        "ring": lambda: around(40, [1.0]),
    }
    return corners[shape]()


def _mask(
    rng: Generator, shape: int, size: tuple[int, int], center: Sequence[float], radius: float
) -> ndarray:
    """Return the pixels of a shape, (h, w) bool, rotated at random."""
    name, angle = SHAPES.classes[shape], rng.uniform(0, 2 * np.pi)
    rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    corners = _outline(name) @ rotation * radius
    picture = Image.new("1", size[::-1])
    pen = ImageDraw.Draw(picture)
    pen.polygon([tuple(p) for p in corners + np.array(center)], fill=1)
    if name == "ring":
        pen.polygon([tuple(p) for p in corners * 0.6 + np.array(center)], fill=0)
    return np.array(picture)


def texture(rng: Generator, h: int, w: int, spread: float) -> ndarray:
    """Return a color that varies slowly, (h, w, 3) float, up to about `spread` from gray."""
    base, grid = 128 + rng.uniform(-spread, spread, 3), rng.normal(0, 8, (4, 5, 3))
    planes = [
        np.array(
            Image.fromarray(grid[..., c].astype(np.float32)).resize(
                (w, h), Image.Resampling.BICUBIC
            )
        )
        for c in range(3)
    ]
    texture: ndarray = base + np.stack(planes, axis=2)
    return texture


def paint(rng: Generator, image: ndarray, mask: ndarray) -> None:
    """Fill a shape with another texture, whose color differs from what it covers."""
    if not mask.any():
        return
    below, (h, w) = image[mask].mean(0), mask.shape
    fill = texture(rng, h, w, spread=110.0)
    while np.abs(fill[mask].mean(0) - below).max() < 70:
        fill = texture(rng, h, w, spread=110.0)
    image[mask] = fill[mask]


def photograph(rng: Generator, image: ndarray) -> ndarray:
    """Add noise and a slight blur; return uint8."""
    noisy = np.clip(image + rng.normal(0, 6, image.shape), 0, 255).astype(np.uint8)
    return np.array(Image.fromarray(noisy).filter(ImageFilter.GaussianBlur(0.6)))


def _draw(root: Path) -> None:
    _draw_scenes(root)
    _draw_singles(root / "single")


def _draw_scenes(root: Path) -> None:
    voc, sbd = root / "VOCdevkit" / "VOC2012", root / "sbd"
    lists = voc / "ImageSets" / "Segmentation"
    for folder in (voc / "JPEGImages", voc / "SegmentationClass", lists, sbd / "img", sbd / "cls"):
        folder.mkdir(parents=True)
    names = [f"scene_{i:06d}" for i in range(NUM_TRAIN + NUM_VAL)]
    val, train = names[:NUM_VAL], names[NUM_VAL - NUM_SHARED :]
    for i, name in enumerate(names):
        image, label = scene(np.random.default_rng((SEED, 0, i)))
        if i < NUM_VAL:
            Image.fromarray(image).save(voc / "JPEGImages" / f"{name}.jpg", quality=90)
            _save_palette(with_void(label), voc / "SegmentationClass" / f"{name}.png")
        if i >= NUM_VAL - NUM_SHARED:
            Image.fromarray(image).save(sbd / "img" / f"{name}.jpg", quality=90)
            cls = {"GTcls": {"Segmentation": label}}
            scipy.io.savemat(sbd / "cls" / f"{name}.mat", cls, do_compression=True)
    (lists / "val.txt").write_text("\n".join(val) + "\n")
    (sbd / "train.txt").write_text("\n".join(train) + "\n")


def _draw_singles(root: Path) -> None:
    for part, (name, count) in enumerate((("train", NUM_SINGLE_TRAIN), ("val", NUM_SINGLE_VAL))):
        for i in range(count):
            shape = i % len(SINGLE_SHAPES)
            folder = root / name / SINGLE_SHAPES.classes[shape]
            folder.mkdir(parents=True, exist_ok=True)
            image = single(np.random.default_rng((SEED, 1 + part, i)), shape + 1)
            Image.fromarray(image).save(folder / f"{i:06d}.jpg", quality=90)


def _single_examples(folder: Path) -> list[Example]:
    paths = sorted(folder.glob("*/*.jpg"), key=lambda path: path.name)
    of_class = SINGLE_SHAPES.classes.index
    return [Example(p.stem, File(p, read_stored_image), of_class(p.parent.name)) for p in paths]


def _save_palette(label: ndarray, path: Path) -> None:
    picture = Image.fromarray(label, mode="P")
    picture.putpalette(voc_palette().tobytes())
    picture.save(path)
