"""The real commands, as processes."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from wandb.proto import wandb_internal_pb2

import warm

Tiny = Callable[..., list[str]]


OFFLINE = {"WANDB_MODE": "offline", "WANDB_SILENT": "true"}


def run(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"fcn_lightning.cli.{module}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def records(folder: Path) -> list[wandb_internal_pb2.Record]:
    """What the W&B file of a run holds, which was not stopped."""
    (part,) = folder.glob("wandb/offline-run-*")
    return records_of(part)


def records_of(part: Path) -> list[wandb_internal_pb2.Record]:
    """What a W&B file holds: LevelDB's log of protobufs, after seven bytes of W&B's own."""
    (path,) = part.glob("*.wandb")
    content, place, found, parts = path.read_bytes(), 7, [], b""
    assert content[:4] == b":W&B"
    while place + 7 <= len(content):
        left = 32768 - place % 32768
        if left < 7:
            place += left
            continue
        _, size, kind = struct.unpack("<IHB", content[place : place + 7])
        parts += content[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in (1, 4):  # a whole record, or the last part of one
            record = wandb_internal_pb2.Record()
            record.ParseFromString(parts)
            found.append(record)
            parts = b""
    return found


def test_the_wandb_file_holds_config_scores_and_masks(tiny: Tiny, tmp_path: Path) -> None:
    overrides = [o for o in tiny("experiment=shapes") if o != "logger=csv"]
    done = warm.run("train", *overrides, "recipe.max_steps=4", folder=tmp_path, environment=OFFLINE)
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "runs" / "shapes").glob("*/seed0")
    found = records(folder)

    config = {u.key: u.value_json for r in found for u in r.run.config.update}
    config |= {u.key: u.value_json for r in found for u in r.config.update}
    assert json.loads(config["recipe"])["max_steps"] == 4
    rows = [
        {"/".join(i.nested_key) or i.key: json.loads(i.value_json) for i in r.history.item}
        for r in found
        if r.HasField("history")
    ]
    scores = json.loads((folder / "scores.json").read_text())
    means = [row["val/mean_iu"] for row in rows if "val/mean_iu" in row]
    assert len(means) == 2
    assert means[-1] == pytest.approx(scores["scores"]["mean_iu"], abs=1e-6)
    last = [row for row in rows if "val/iu/star" in row][-1]
    assert last["val/iu/star"] == pytest.approx(scores["class_iu"]["star"], abs=1e-6)
    assert any("train/loss" in row for row in rows)
    keys = {key for row in rows for key in row if key.startswith("pictures/")}
    for name in (f"scene_{i:06d}" for i in range(5)):
        for kind in ("label", "prediction"):
            assert f"pictures/{name}/masks/{kind}/path" in keys
    masks = list((folder / "wandb").glob("offline-run-*/files/media/images/mask/**/*.png"))
    assert len(masks) == 2 * 2 * 5, "label and prediction of five images at two validations"


def test_a_run_that_goes_on_is_the_same_wandb_run(tiny: Tiny, tmp_path: Path) -> None:
    overrides = [o for o in tiny("experiment=shapes") if o != "logger=csv"]
    done = warm.run("train", *overrides, folder=tmp_path, environment=OFFLINE)
    assert done.returncode == 0, done.stderr
    (scores,) = tmp_path.glob("runs/shapes/*/seed0/scores.json")
    scores.unlink()
    done = warm.run("train", *overrides, "resume=true", folder=tmp_path, environment=OFFLINE)
    assert done.returncode == 0, done.stderr

    parts = sorted(scores.parent.glob("wandb/offline-run-*"))
    assert len(parts) == 2
    ids = {next(r.run.run_id for r in records_of(part) if r.HasField("run")) for part in parts}
    assert ids == {parts[0].name.rpartition("-")[2]}
    sync = [sys.executable, "-m", "wandb", "sync", "--dry-run", *map(str, parts)]
    told = subprocess.run(sync, capture_output=True, text=True, check=True)
    assert told.stderr.index(parts[0].name) < told.stderr.index(parts[1].name)


def test_evaluate_prints_json_alone(tiny: Tiny, tmp_path: Path) -> None:
    assert warm.run("train", *tiny("experiment=shapes"), folder=tmp_path).returncode == 0
    (folder,) = (tmp_path / "runs" / "shapes").glob("*/seed0")
    done = run("fcn", "evaluate", str(folder), "--json")
    assert done.returncode == 0, done.stderr
    expected = json.loads((folder / "scores.json").read_text())["scores"]
    assert json.loads(done.stdout)["scores"] == expected


def test_data_check_names_what_is_broken(tiny_data: Path, tmp_path: Path) -> None:
    root = tmp_path / "shapes"
    shutil.copytree(tiny_data / "shapes", root)
    image = root / "VOCdevkit" / "VOC2012" / "JPEGImages" / "scene_000000.jpg"
    image.write_bytes(image.read_bytes()[:500])
    done = warm.run("fcn", "data", "check", "shapes", "--data-root", str(root), folder=tmp_path)
    assert done.returncode == 1
    assert f"Cannot read the image {image}: " in done.stdout
    assert "1 of 11 images are broken" in done.stdout
