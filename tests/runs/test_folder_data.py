"""Runs on folders of one's own: each kind of labels is trained, scored, and scored again."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning import Trainer
from PIL import Image

from fcn_lightning import formats
from fcn_lightning.callbacks import BestCheckpoint
from fcn_lightning.runs.evaluate import evaluate
from fcn_lightning.runs.identity import differences
from fcn_lightning.runs.record import read_record
from fcn_lightning.runs.run import compose_run
from fcn_lightning.runs.train import train

SIZE = (40, 48)
INDEX = np.zeros(SIZE, np.uint8)
INDEX[10:30, 12:40] = 1
MANY = (np.arange(40 * 48).reshape(SIZE) % 150).astype(np.uint8)
COLORS = np.array([[0, 0, 0], [128, 64, 128]], np.uint8)

BINARY = [{"name": "ground", "values": [0]}, {"name": "cell", "values": [255]}]
RGB = [{"name": "ground", "color": [0, 0, 0]}, {"name": "road", "color": [128, 64, 128]}]

Overrides = Callable[..., list[str]]


def text(classes: list[Any]) -> str:
    """Classes as an override."""
    return str(classes).replace("'", "").replace(" ", "")


def write(root: Path, label: np.ndarray, suffix: str = "", ids: str = "abcd") -> None:
    rng = np.random.default_rng(0)
    for name in ids:
        for folder in ("images", "labels"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "images" / f"{name}.jpg")
        Image.fromarray(label).save(root / "labels" / f"{name}{suffix}.png")


@pytest.fixture
def folder(tiny: Overrides, tmp_path: Path) -> Overrides:
    """Overrides of a run of two steps on `tmp_path / "own"`."""

    def overrides(*own: str) -> list[str]:
        keys = [f"data.root={tmp_path / 'own'}", "data.images=images", "data.labels=labels"]
        return tiny("experiment=folder", *keys, "augment.crop=32", *own, classifier=None)

    return overrides


@pytest.mark.parametrize(
    ("label", "suffix", "keys", "classes"),
    [
        (INDEX * 255, "", [f"data.classes={text(BINARY)}"], ["ground", "cell"]),
        (COLORS[INDEX], "", [f"data.classes={text(RGB)}"], ["ground", "road"]),
        (INDEX, "_gt", ["data.classes=[a,b]", "data.label_suffix=_gt"], ["a", "b"]),
        (MANY, "", [f"data.classes={text([f'c{i}' for i in range(150)])}"], None),
        (INDEX * 0, "", ["data.classes=[only]"], ["only"]),
    ],
    ids=["binary", "rgb", "suffix", "150 classes", "one class"],
)
def test_each_kind_of_labels(
    folder: Overrides, tmp_path: Path, label: Any, suffix: str, keys: list[str], classes: Any
) -> None:
    write(tmp_path / "own", label, suffix)
    run = compose_run(folder(*keys))
    record = train(run)
    assert (record.num_images, record.lists["num_train"]) == (1, 3)
    assert list(record.class_iu) == (classes or [f"c{i}" for i in range(150)])
    assert record.scores["mean_iu"] is not None
    # Each class is there: every one has its pixels in the confusion matrix.
    with np.load(run.folder / "per_image.npz") as arrays:
        (confusion,) = arrays["confusion"]
    counts = np.bincount((label if suffix or not classes else INDEX).ravel())
    assert confusion.sum(1).tolist() == ([40 * 48] if classes == ["only"] else counts.tolist())
    again = evaluate(run.folder, None, None)
    assert again["scores"] == record.scores


def test_a_run_keeps_its_classes_colors_and_values(folder: Overrides, tmp_path: Path) -> None:
    write(tmp_path / "own", COLORS[INDEX])
    path = tmp_path / "own" / "classes.txt"
    path.write_text("ground 0 0 0\nroad 128 64 128\n")
    run = compose_run(folder("data.classes=classes.txt", "data.test=test.txt"))
    (tmp_path / "own" / "test.txt").write_text("d\n")
    (tmp_path / "own" / "val.txt").write_text("b\nc\n")
    run.config.data.val = "val.txt"
    record = train(run)
    path.write_text("x\ny\n")
    card = formats.read_checkpoint(run.folder).card
    assert card["labels"][""]["classes"] == ("ground", "road")
    assert card["labels"][""]["colors"] == ((0, 0, 0), (128, 64, 128))
    assert evaluate(run.folder, None, None)["scores"] == record.scores
    tested = evaluate(run.folder, None, None, split="test")
    assert (tested["split"], tested["num_images"]) == ("folder/test", 1)
    assert list(tested["class_iu"]) == ["ground", "road"]
    assert record.num_images == 2


def test_no_valid_pixel_in_validation(
    folder: Overrides, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / "own", INDEX)
    Image.fromarray(INDEX * 0 + 255).save(tmp_path / "own" / "labels" / "a.png")
    (tmp_path / "own" / "val.txt").write_text("a\n")
    run = compose_run(folder("data.classes=[a,b]", "data.val=val.txt"))
    record = train(run)
    assert {k: v for k, v in record.scores.items() if k != "loss"} == dict.fromkeys(
        ("pixel_acc", "mean_acc", "mean_iu", "fw_iu")
    )
    assert record.best_val is None
    assert read_record(run.folder) == record
    warned = [
        line for line in (run.folder / "train.log").read_text().splitlines() if "void" in line
    ]
    assert warned[0].endswith(
        "Validation labels: No pixel is valid: all are void. Its scores are undefined."
    )
    assert not (run.folder / "checkpoints" / "best.ckpt").exists()
    assert (run.folder / "checkpoints" / "last.ckpt").exists()


def test_a_validation_without_a_score_is_never_best() -> None:
    best = BestCheckpoint(monitor="val/mean_iu", mode="max")
    assert not best.check_monitor_top_k(object.__new__(Trainer), torch.tensor(math.nan))


def test_one_image_to_overfit(folder: Overrides, tmp_path: Path) -> None:
    write(tmp_path / "own", INDEX, ids="a")
    keys = ["data.classes=[a,b]", "data.allow_overlap=true"]
    run = compose_run(folder(*keys))
    record = train(run)
    assert (record.lists["num_train"], record.num_images) == (1, 1)
    other = compose_run(folder(keys[0])).plain_config
    assert differences(record.config, other) == {"data.allow_overlap": (True, False)}
    # A record from before the key existed was of a run without overlap.
    del other["data"]["allow_overlap"]
    assert differences(record.config, other) == {"data.allow_overlap": (True, False)}


@pytest.mark.parametrize("key", ["num_classes", "head.num_classes", "stage.x", "paths.x"])
def test_keys_that_nothing_reads(folder: Overrides, tmp_path: Path, key: str) -> None:
    with pytest.raises(ValueError, match=f"Unknown key `{key}`"):
        compose_run(folder("data.classes=[a,b]", f"+{key}=2"))


def test_keys_of_a_file_that_nothing_reads(tmp_path: Path, tiny: Overrides) -> None:
    own = tmp_path / "mine" / "experiment"
    own.mkdir(parents=True)
    start = "# @package _global_\ndefaults: [/experiment/folder, _self_]\n"
    data = ["experiment=own", "data.images=a", "data.labels=b", "data.classes=[a]"]
    (own / "own.yaml").write_text(f"{start}num_classes: 2\n")
    with pytest.raises(ValueError, match="Unknown key `num_classes`"):
        compose_run(tiny(*data, classifier=None), config_dir=tmp_path / "mine")
    (own / "own.yaml").write_text(f"{start}rate: 0.1\nrecipe:\n  lr: ${{rate}}\n")
    run = compose_run(tiny(*data, classifier=None), config_dir=tmp_path / "mine")
    assert run.recipe.lr == 0.1
