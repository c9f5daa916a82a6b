"""Every parser of files that others wrote: success or a sentence, in bounded time and memory."""

from __future__ import annotations

import functools
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from PIL import Image

from catalogue.prepared import array, content_of, finished
from catalogue.weights import field
from fcn_lightning.data.classes import read_classes
from fcn_lightning.data.images import read_depth, read_image
from fcn_lightning.data.label_files import LabelReader, read_pixels
from fcn_lightning.data.mat import read_mat
from fcn_lightning.data.sbd import read_label
from fcn_lightning.formats import read_checkpoint
from fcn_lightning.formats.caffe import caffemodel
from fcn_lightning.formats.identify import read_foreign
from fcn_lightning.inference.job import _read as read_job
from fcn_lightning.runs.image_scores import read_image_scores
from fcn_lightning.runs.listing import list_runs
from fcn_lightning.runs.record import read_record
from fcn_lightning.submission.check import check
from fcn_lightning.text_files import read_lines, read_yaml
from submission.archives import FOLDER, label, tgz, zipped

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unchecked")]


def saved(content: object, *, zipped: bool = True) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


def mat(compressed: bool, **values: object) -> bytes:
    file = io.BytesIO()
    scipy.io.savemat(file, values, do_compression=compressed)
    return file.getvalue()


def picture(mode: str, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.effect_noise((40, 30), 80).convert(mode).save(file, kind, **options)
    return file.getvalue()


def archive(write: Callable[..., Path]) -> bytes:
    path = write(Path("valid"), {f"{FOLDER}/{i}.png": label() for i in range(3)})
    return path.read_bytes()


def card() -> bytes:
    """A checkpoint with classes, data, and a network."""
    labels = {"": {"name": "own", "classes": tuple("abc"), "colors": None, "values": None}}
    data = {"name": "folder", "arguments": {"images": "a", "classes": ["x", {"name": "y"}]}}
    content = content_of(3)
    own = {**content["fcn_lightning"], "labels": labels, "data": data}
    return saved({**content, "fcn_lightning": own})


def whole(path: Path) -> object:
    checkpoint = read_checkpoint(path)
    return checkpoint.network(), checkpoint.labels


def layers_of(path: Path) -> object:
    """Read a .caffemodel as far as its layers; no network is found in one layer."""
    return caffemodel.foreign_weights(path)


def record(path: Path) -> object:
    folder = Path("runs/a/b/seed0")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scores.json").write_bytes(path.read_bytes())
    (folder / "config.yaml").write_bytes(path.read_bytes())
    listed = list_runs(Path("runs"))
    return [(run.state, run.max_steps, run.starts, run.size) for run in listed], read_record(folder)


def configured(path: Path) -> object:
    """Read a `config.yaml` as `fcn runs` and a resumed run do."""
    folder = Path("runs/a/b/seed1")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "train.log").touch()
    (folder / "config.yaml").write_bytes(path.read_bytes())
    listed = list_runs(Path("runs"))
    return [(run.state, run.max_steps, run.starts, run.size) for run in listed], read_yaml(path)


def scored() -> bytes:
    finished("valid/b/seed0")()
    return Path("valid/b/seed0/scores.json").read_bytes()


CAFFE = field(1, b"net") + field(
    100, field(1, b"conv1_1") + field(2, b"Convolution")
    + field(7, field(7, field(1, b"\x02")) + field(5, bytes(8))),
)  # fmt: skip
CELLS = np.empty(2, object)
CELLS[:] = [np.eye(2), scipy.sparse.eye_array(3).tocsc()]
SEGMENTATION = {"Segmentation": np.ones((6, 7), np.uint8), "Boundaries": CELLS}
YAML = """classes:
  - &a {name: background, color: [0, 0, 0], values: [0, 255]}
  - {name: b, color: [9, 9, 9], values: [7]}
"""
CONFIG = "recipe: {max_steps: 3}\nstage: {name: fcn16s, before: fcn32s}\ninit_from: default\n"
NAMES = np.array(["one", "two"])
SCORES = {
    "names": NAMES, "confusion": np.ones((2, 3, 3), np.int64), "average_over": np.array([1]),
}  # fmt: skip
JOB = {"checkpoint": "a", "sha256": "0", "options": {"scales": [1.0], "mirror": False}}
CLASSIFIER = functools.partial(read_foreign, at_once=False)

PARSERS: dict[str, tuple[Callable[[Path], object], Callable[[], bytes], str]] = {
    "checkpoint": (whole, card, ".ckpt"),
    "checkpoint before torch 1.6": (whole, lambda: saved(content_of(3), zipped=False), ".ckpt"),
    "pth": (CLASSIFIER, lambda: saved({"conv1_1.weight": torch.ones(2, 3, 3, 3)}), ".pth"),
    "caffemodel": (layers_of, lambda: CAFFE, ".caffemodel"),
    "mat": (lambda path: read_mat(path, "S"), lambda: mat(True, S=np.eye(9)), ".mat"),
    "mat of SBD": (read_label, lambda: mat(False, GTcls=SEGMENTATION), ".mat"),
    "JPEG": (read_image, lambda: picture("RGB", "JPEG"), ".jpg"),
    "PNG": (read_image, lambda: picture("RGB", "PNG"), ".png"),
    "TIFF": (read_image, lambda: picture("RGB", "TIFF", compression="tiff_lzw"), ".tif"),
    "depth": (read_depth, lambda: picture("I;16", "PNG"), ".png"),
    "label": (read_pixels, lambda: picture("P", "PNG"), ".png"),
    "list": (read_lines, lambda: "a\nstraße\nc d\n".encode() * 20, ".txt"),
    "class file": (lambda path: LabelReader(read_classes(str(path)))._table, YAML.encode, ".yaml"),
    "predict.json": (read_job, json.dumps(JOB).encode, ".json"),
    "scores.json": (record, scored, ".json"),
    "config.yaml": (configured, CONFIG.encode, ".yaml"),
    "per_image.npz": (read_image_scores, lambda: array(**SCORES), ".npz"),
    "tgz": (lambda path: check(path, "VOC2012"), lambda: archive(tgz), ".tgz"),
    "zip": (lambda path: check(path, "VOC2012"), lambda: archive(zipped), ".zip"),
}  # fmt: skip


@pytest.mark.parametrize("name", PARSERS)
def test_a_damaged_file_is_read_or_refused(name: str) -> None:
    bounded = pytest.importorskip("fuzz.bounded", reason="needs hypothesis")
    parse, valid, suffix = PARSERS[name]
    content = valid()
    found = bounded.fuzz(parse, content, suffix)
    print(f"{name}: {found.tried} files, {found.refused} refused")  # noqa: T201  pytest -s
    print(found.problem)  # noqa: T201
    assert found.problem == ""
    assert found.tried > 20
    assert found.refused > 0
