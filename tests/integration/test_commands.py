"""The real commands, as processes."""

from __future__ import annotations

import csv
import io
import json
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from wandb.proto import wandb_internal_pb2

import warm
from fcn_lightning.callbacks.loggers import run_id

Tiny = Callable[..., list[str]]


OFFLINE = {"WANDB_MODE": "offline", "WANDB_SILENT": "true"}


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


def assert_in_tensorboard(folder: Path) -> None:
    """TensorBoard's file of the run below has the scalars, the pictures and the config."""
    events = EventAccumulator(str(folder / "tensorboard")).Reload()
    scores = json.loads((folder / "scores.json").read_text())["scores"]
    means = events.Scalars("val/mean_iu")
    assert [each.step for each in means] == [2, 4]
    assert means[-1].value == pytest.approx(scores["mean_iu"], abs=1e-6)
    assert [each.step for each in events.Scalars("train/loss")] == [1, 2, 3, 4]
    shown = events.Images("pictures/scene_000000")
    assert [each.step for each in shown] == [2, 4]
    in_a_row = np.array(Image.open(folder / "pictures/scene_000000.png"))
    sent = np.array(Image.open(io.BytesIO(shown[-1].encoded_image_string)))
    assert np.array_equal(sent, in_a_row), "after the last step, as at the end"
    (text,) = events.Tensors("config/text_summary")
    assert b"max_steps: 4" in text.tensor_proto.string_val[0]


@pytest.fixture(scope="module", autouse=True)
def unreached(
    tiny: Tiny, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[warm.Started, Path]]:
    """A run, and its `paths.runs`, whose W&B is a port of this machine that refuses.

    W&B tries for ten seconds, in which the other tests run.
    """
    top = tmp_path_factory.mktemp("unreached")
    overrides = [o for o in tiny("experiment=shapes", f"paths.runs={top}") if o != "logger=csv"]
    account = {
        "WANDB_API_KEY": 40 * "a", "WANDB_BASE_URL": "http://127.0.0.1:9", "WANDB_MODE": "online",
        "WANDB_PROJECT": "mine", "WANDB_NAME": "first",
    }  # fmt: skip
    started = warm.start("train", *overrides, folder=top, environment=account)
    yield started, top
    for process in started.processes:  # where its own test is not selected
        process.kill()
        process.join()
    started.output.cleanup()


def test_the_wandb_file_holds_config_scores_and_masks(tiny: Tiny, tmp_path: Path) -> None:
    overrides = [o for o in tiny("experiment=shapes") if o != "logger=csv"]
    own = ["recipe.max_steps=4", "logger=[wandb,tensorboard]"]
    done = warm.run("train", *overrides, *own, folder=tmp_path, environment=OFFLINE)
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "runs" / "shapes").glob("*/seed0")
    assert_in_tensorboard(folder)
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

    of_loss = [
        (row["trainer/global_step"], row["train/loss"]) for row in rows if "train/loss" in row
    ]
    with (folder / "metrics.csv").open(newline="") as file:
        in_csv = [row for row in csv.DictReader(file) if row["train/loss"]]
    assert of_loss == [(int(r["step"]), pytest.approx(float(r["train/loss"]))) for r in in_csv]
    assert [step for step, _ in of_loss] == [1, 2, 3, 4]
    assert all(float(row["train/lr"]) > 0 < float(row["train/grad_norm"]) for row in in_csv)
    assert all(row["speed/images_per_second"] > 0 for row in rows if "speed/waiting" in row)
    assert not any(name.startswith("speed/") for name in in_csv[0]), "the file is repeatable"

    (described,) = (r.run for r in found if r.HasField("run"))
    assert {"fcn32s", "shapes", "seed0"} <= {*described.tags}
    assert described.job_type == "fcn32s"
    assert (json.loads(config["network"]), json.loads(config["experiment"])) == ("fcn32s", "shapes")
    summary = {
        "/".join(i.nested_key) or i.key: json.loads(i.value_json)
        for r in found
        for i in r.summary.update
    }
    assert summary["best/mean_iu"] == scores["best_val"]["mean_iu"]
    assert summary["images_per_second"] > 0 < summary["memory_gib"]
    (table,) = (folder / "wandb").glob("offline-run-*/files/media/table/per_image_*.table.json")
    content = json.loads(table.read_text())
    assert content["columns"] == ["image", "pixel_acc", "mean_iu"]
    with np.load(folder / "per_image.npz") as arrays:
        (name, matrix) = arrays["names"][0], arrays["confusion"][0]
    assert content["data"][0][:2] == [name, pytest.approx(np.trace(matrix) / matrix.sum())]


def test_checkpoints_are_not_sent_without_wandb(tiny: Tiny, tmp_path: Path) -> None:
    overrides = [o for o in tiny("experiment=shapes") if o != "logger=csv"]
    done = warm.run(
        "train", *overrides, "logger.wandb.log_model=true", folder=tmp_path, environment=OFFLINE
    )
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        2,
        "logger.wandb.log_model=true sends checkpoints, but W&B is offline. Leave it out, or unset "
        "WANDB_MODE.",
    )
    assert not (tmp_path / "runs").exists()


def test_a_run_that_goes_on_is_the_same_wandb_run(tiny: Tiny, tmp_path: Path) -> None:
    overrides = [o for o in tiny("experiment=shapes") if o != "logger=csv"]
    done = warm.run("train", *overrides, folder=tmp_path, environment=OFFLINE)
    assert done.returncode == 0, done.stderr
    (scores,) = tmp_path.glob("runs/shapes/*/seed0/scores.json")
    scores.unlink()
    done = warm.run("train", *overrides, "resume=true", folder=tmp_path, environment=OFFLINE)
    assert done.returncode == 0, done.stderr

    first, second = sorted(scores.parent.glob("wandb/offline-run-*"))
    parts = (first, second)
    ids = {next(r.run.run_id for r in records_of(part) if r.HasField("run")) for part in parts}
    assert ids == {run_id(scores.parent)}
    second = second.rename(f"{first}-1")  # as a part that begins in the same second
    assert ids == {run_id(scores.parent)}
    second = second.rename(first.with_name(f"offline-run-29991231_235959-{run_id(scores.parent)}"))
    sync = [sys.executable, "-m", "wandb", "sync", "--dry-run", str(first), str(second)]
    told = subprocess.run(sync, capture_output=True, text=True, check=True)
    assert told.stderr.index(first.name) < told.stderr.index(second.name)


def test_evaluate_prints_json_alone(tiny: Tiny, tmp_path: Path) -> None:
    assert warm.run("train", *tiny("experiment=shapes"), folder=tmp_path).returncode == 0
    (folder,) = (tmp_path / "runs" / "shapes").glob("*/seed0")
    done = warm.run("fcn", "evaluate", str(folder), "--json", folder=tmp_path)
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


def test_without_a_network_a_run_is_offline(unreached: tuple[warm.Started, Path]) -> None:
    started, runs = unreached
    done = started.end()
    assert done.returncode == 0, done.stderr
    assert "W&B is offline, since it cannot be reached: " in done.stderr
    (folder,) = runs.glob("shapes/*/seed0")
    (described,) = (r.run for r in records(folder) if r.HasField("run"))
    assert (described.project, described.display_name) == ("mine", "first")
