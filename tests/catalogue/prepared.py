"""Files that the commands of the catalogue find in the working directory."""

from __future__ import annotations

import functools
import io
import struct
import tempfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from PIL import Image

from fcn_lightning.data import shapes
from fcn_lightning.models import build
from fcn_lightning.runs.record import Record

TREE = Path("data/VOCdevkit/VOC2012")
SCENE = "scene_000001"
TINY = {"name": "vgg16", "widths": (1,) * 5, "fc_widths": (1, 1)}


def all_of(*writers: Callable[[], object]) -> Callable[[], None]:
    """Write the files of several functions, one after the other."""

    def write() -> None:
        for each in writers:
            each()

    return write


def text(path: str, content: str | bytes) -> Callable[[], object]:
    """Write a file, and its folder."""

    def write() -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(content.encode() if isinstance(content, str) else content)

    return write


@functools.cache
def _drawn() -> dict[str, bytes]:
    """The embedded set, with three images of each kind."""
    with tempfile.TemporaryDirectory() as folder:
        names = ("TRAIN", "VAL", "SHARED", "SINGLE_TRAIN", "SINGLE_VAL")
        with mock.patch.multiple(shapes, **{f"NUM_{name}": 3 for name in names}):
            shapes.draw(Path(folder, "data"))
        files = (path for path in Path(folder).rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def data() -> None:
    """Write the embedded set below `data`."""
    for name, content in _drawn().items():
        text(name, content)()


def image(path: str, mode: str = "RGB", size: tuple[int, int] = (8, 6)) -> Callable[[], object]:
    """Draw an image of one color; `size` is (w, h)."""

    def write() -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Image.new(mode, size).save(path)

    return write


def claimed(path: str, h: int, w: int) -> Callable[[], object]:
    """Draw a PNG of 8 x 6 pixels whose header claims others."""

    def write() -> None:
        file = io.BytesIO()
        Image.new("L", (8, 6)).save(file, "PNG")
        header = struct.pack(">4sIIBBBBB", b"IHDR", w, h, 8, 0, 0, 0, 0)
        content = file.getvalue()
        Path(path).write_bytes(
            content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:]
        )

    return write


@functools.cache
def content_of(num_classes: int = 21, normalize: str = "caffe") -> dict[str, Any]:
    """A checkpoint of a network whose layers have one channel."""
    with torch.random.fork_rng(devices=[]):
        network = build(backbone=TINY, head={}, num_classes=num_classes, normalize=normalize)
    state = {f"network.{name}": value for name, value in network.state_dict().items()}
    card = {"format": 1, "network": network.description, "loss": "sum", "precision": "32-true"}
    return {"fcn_lightning": card, "state_dict": state, "global_step": 0}


def checkpoint(path: str = "net.ckpt", num_classes: int = 21, **card: object) -> Callable[[], None]:
    """Save the checkpoint of a tiny network, with entries of its card changed."""

    def write() -> None:
        content = content_of(num_classes)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        torch.save({**content, "fcn_lightning": {**content["fcn_lightning"], **card}}, path)

    return write


def weights(path: str, state: Mapping[str, Any]) -> Callable[[], None]:
    """Save weights, or anything that torch saves, by name."""
    return lambda: torch.save(dict(state), path)


def array(**arrays: np.ndarray) -> bytes:
    """An .npz file."""
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def cells(num_images: int = 4, folder: str = ".") -> None:
    """Write `images`, their `labels` of two classes, and `classes.txt`."""
    label = np.zeros((6, 8), np.uint8)
    label[2:, 3:] = 1
    for name in "abcdefgh"[:num_images]:
        for kind, pixels in (("images", np.stack([label * 90] * 3, 2)), ("labels", label)):
            path = Path(folder, kind, f"{name}.png")
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    text(f"{folder}/classes.txt", "ground\ncell\n")()


def finished(
    run: str = "runs/shapes/fcn32s/seed0", names: tuple[str, ...] = ("a", "b"), **changes: object
) -> Callable[[], None]:
    """Write the records of a run that ended: `scores.json`, and `per_image.npz` of two images."""

    def write() -> None:
        experiment, variant, seed = run.split("/")[-3:]
        record = Record(
            experiment=experiment, variant=variant, head=variant, seed=int(seed[4:]), debug=None,
            tags=[], data="shapes", split="voc/val", split_size=2, num_images=2, checkpoint="last",
            step=1, scores={"mean_iu": 0.4}, class_iu={"background": 0.5}, average_over=[],
            best_val=None, lists={}, start={}, precision="32-true", num_processes=1, device="cpu",
            versions={}, config={"seed": int(seed[4:])},
        )  # fmt: skip
        folder = Path(run)
        folder.mkdir(parents=True)
        record.model_copy(update=changes).write(folder)
        confusion = np.ones((2, 2, 2), np.int64)
        arrays = {"names": np.array(names), "confusion": confusion, "average_over": np.array([])}
        (folder / "per_image.npz").write_bytes(array(**arrays))

    return write
