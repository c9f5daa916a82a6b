"""`fcn predict`: palette PNGs of the same names and sizes, and its errors."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from fcn_lightning.cli.fcn import app
from fcn_lightning.inference import Predictor
from fcn_lightning.inference.memory import resident
from fcn_lightning.models import Network

SIZES = {"a.jpg": (37, 52), "b.png": (1, 9)}


@pytest.fixture(autouse=True)
def limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Restores the limit of Pillow, which the command sets."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)


def predict(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["predict", *map(str, arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def checkpoint(narrow: Callable[..., Network], tmp_path: Path) -> Path:
    return saved(narrow(("pool4",)), tmp_path / "net.ckpt")


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    rng, paths = np.random.default_rng(0), []
    for name, (h, w) in SIZES.items():
        paths.append(tmp_path / name)
        Image.fromarray(rng.integers(0, 256, (h, w, 3), dtype=np.uint8)).save(paths[-1])
    return paths


def names(out: Path) -> list[str]:
    """The results in a folder, relative to it."""
    files = (path for path in out.rglob("*") if path.is_file())
    return sorted(str(f.relative_to(out)) for f in files if f.name != "predict.json")


def mask(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.array(picture)


def saved(network: Network, path: Path) -> Path:
    state = {f"network.{name}": value for name, value in network.state_dict().items()}
    classes = {"name": "own", "classes": tuple(f"c{i}" for i in range(21)), "colors": None}
    labels = {"": {**classes, "values": tuple((10 * i,) for i in range(21))}}
    one_head = isinstance(network.description["num_classes"], int)
    card = {"format": 1, "network": network.description, "labels": labels if one_head else None}
    torch.save({"fcn_lightning": card, "state_dict": state}, path)
    return path


def test_label_maps_have_the_images_names_and_sizes(
    checkpoint: Path, images: list[Path], tmp_path: Path, narrow: Callable[..., Network]
) -> None:
    out = tmp_path / "new" / "masks"
    status, stdout, _ = predict(checkpoint, *images, "--out", out)
    assert (status, stdout) == (0, f"Labeled 2 of 2 images in {out}\n")
    assert names(out) == ["a.png", "b.png"]
    network = narrow(("pool4",))
    network.load_state_dict(torch.load(checkpoint)["state_dict"], strict=False)
    for path, size in zip(images, SIZES.values(), strict=True):
        with Image.open(out / f"{path.stem}.png") as label:
            assert label.mode == "P"
            assert label.getpalette()[3:6] == [128, 0, 0]
            assert np.array(label).shape == size


def test_each_head_has_a_file(
    narrow: Callable[..., Network], images: list[Path], tmp_path: Path
) -> None:
    checkpoint = saved(narrow(num_classes={"sem": 33, "geo": 3}), tmp_path / "net.ckpt")
    assert predict(checkpoint, images[0], "--out", tmp_path / "out")[0] == 0
    assert names(tmp_path / "out") == ["a_geo.png", "a_sem.png"]


def test_a_broken_image_is_reported_and_the_others_are_labeled(
    checkpoint: Path, images: list[Path], tmp_path: Path
) -> None:
    images[0].write_bytes(images[0].read_bytes()[:200])
    status, stdout, stderr = predict(checkpoint, *images, "--out", tmp_path / "out")
    assert status == 1
    assert f"Cannot read the image {images[0]}:" in stderr
    assert stdout == f"Labeled 1 of 2 images in {tmp_path / 'out'}\n"
    assert names(tmp_path / "out") == ["b.png"]


def test_existing_label_maps_are_kept_without_overwrite(
    checkpoint: Path, images: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.png").write_text("mine")
    status, _, stderr = predict(checkpoint, *images, "--out", out)
    assert (status, stderr) == (
        2, f"{out / 'a.png'} already exists. Replace it with --overwrite.\n"
    )  # fmt: skip
    assert [path.name for path in out.iterdir()] == ["a.png"]
    assert predict(checkpoint, *images, "--out", out, "--overwrite")[0] == 0
    with Image.open(out / "a.png") as label:
        assert label.size == (52, 37)


def test_an_image_is_never_overwritten(
    checkpoint: Path, images: list[Path], tmp_path: Path
) -> None:
    status, _, stderr = predict(checkpoint, *images, "--out", tmp_path, "--overwrite")
    assert (status, stderr) == (
        2,
        f"{images[1]} is one of the images. Choose another folder with --out.\n",
    )


def test_modalities_are_read_from_folders_of_their_own(
    narrow: Callable[..., Network], images: list[Path], tmp_path: Path
) -> None:
    network = narrow(normalize={"color": "nyud_color", "depth": "nyud_depth"}, fusion="early")
    checkpoint, depths = saved(network, tmp_path / "net.ckpt"), tmp_path / "depths"
    depths.mkdir()
    rng = np.random.default_rng(1)
    for path, size in zip(images, SIZES.values(), strict=True):
        depth = rng.integers(500, 9000, size).astype(np.uint16)
        Image.fromarray(depth).save(depths / f"{path.stem}.png")
    out = tmp_path / "out"
    status, stdout, _ = predict(checkpoint, *images, "--out", out, "--modality", f"depth={depths}")
    assert (status, stdout) == (0, f"Labeled 2 of 2 images in {out}\n")
    shapes = {path.stem: np.array(Image.open(path)).shape for path in out.glob("*.png")}
    assert shapes == {"a": (37, 52), "b": (1, 9)}

    Image.new("RGB", (52, 37)).save(depths / "a.png")
    given = [checkpoint, *images, "--out", out, "--overwrite", "--modality", f"depth={depths}"]
    status, stdout, stderr = predict(*given)
    assert (status, stdout) == (1, f"Labeled 1 of 2 images in {out}\n")
    assert f"Cannot read the image {depths / 'a.png'}: expected a gray image of depths" in stderr

    status, _, stderr = predict(checkpoint, *images, "--out", out, "--overwrite")
    assert status == 2
    assert stderr.strip() == (
        "The network labels color images and needs --modality depth=FOLDER; got none."
    )


def test_everything_that_is_wanted_is_written(
    checkpoint: Path, images: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    wanted = ("--overlay", "--scores", "--json", "--label-values", "--mirror", "--scales", "0.5,1")
    assert predict(checkpoint, images[0], "--out", out, *wanted)[0] == 0
    assert names(out) == ["a.areas.json", "a.overlay.jpg", "a.png", "a.scores.npz"]
    with np.load(out / "a.scores.npz") as archive:
        labels = archive["scores"].argmax(2)
    np.testing.assert_array_equal(mask(out / "a.png"), 10 * labels)
    areas = json.loads((out / "a.areas.json").read_text())
    assert {key: areas[key] for key in ("image", "height", "width")} == {
        "image": str(images[0]), "height": 37, "width": 52
    }  # fmt: skip
    counts = [areas["classes"][f"c{i}"]["pixels"] for i in range(21)]
    assert counts == np.bincount(labels.ravel(), minlength=21).tolist()
    with Image.open(out / "a.overlay.jpg") as picture:
        assert picture.size == (52, 37)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of five images of two sizes in two folders, and three broken ones."""
    rng, folder = np.random.default_rng(0), tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    for i, size in enumerate([(20, 30), (30, 20), (20, 30), (20, 30), (30, 20)]):
        path = folder / "sub" / f"{i}.png" if i % 2 else folder / f"{i}.png"
        Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(path)
    (folder / "empty.jpg").touch()
    (folder / "cut.png").write_bytes((folder / "0.png").read_bytes()[:300])
    Image.fromarray(np.zeros((3, 3), np.float32)).save(folder / "float.tif")
    return folder


FIVE = ["0.png", "2.png", "4.png", "sub/1.png", "sub/3.png"]


def test_a_second_call_does_what_is_missing(checkpoint: Path, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    given = [checkpoint, photos, "--recursive", "--out", out, "--batch", 2]
    status, stdout, stderr = predict(*given)
    assert (status, stdout) == (1, f"Labeled 5 of 8 images in {out}\n")
    assert [line.partition(":")[0] for line in stderr.splitlines()] == [
        f"Cannot read the image {photos / name}" for name in ("cut.png", "empty.jpg", "float.tif")
    ]
    assert names(out) == FIVE
    one_by_one = tmp_path / "one"
    assert predict(*given[:4], one_by_one)[0] == 1
    for name in FIVE:
        np.testing.assert_array_equal(mask(out / name), mask(one_by_one / name))

    for name in ("cut.png", "empty.jpg"):
        (photos / name).unlink()
    Image.new("RGB", (5, 4)).save(photos / "float.tif")
    (out / "2.png").unlink()
    before = (out / "0.png").stat().st_mtime_ns
    status, stdout, stderr = predict(*given)
    assert (status, stdout, stderr) == (
        0, f"Labeled 2 of 2 images in {out}; 4 were done already\n", ""
    )  # fmt: skip
    assert names(out) == sorted([*FIVE, "float.png"])
    assert (out / "0.png").stat().st_mtime_ns == before


def test_another_checkpoint_or_option_is_refused(
    checkpoint: Path, images: list[Path], tmp_path: Path, narrow: Callable[..., Network]
) -> None:
    out = tmp_path / "out"
    assert predict(checkpoint, images[0], "--out", out)[0] == 0
    other = saved(narrow(("pool4", "pool3")), tmp_path / "other.ckpt")
    status, _, stderr = predict(other, *images, "--out", out, "--scales", "0.5")
    assert (status, stderr) == (
        2,
        f"{out} was made with the checkpoint {checkpoint}, not {other}; scales [1.0], not [0.5]. "
        "Choose another folder with --out, or replace its predictions with --overwrite.\n",
    )
    assert predict(other, images[1], "--out", out, "--overwrite")[0] == 0
    # a.png is of the first checkpoint: it is not done.
    status, stdout, _ = predict(other, *images, "--out", out)
    assert (status, stdout) == (0, f"Labeled 1 of 1 images in {out}; 1 were done already\n")

    (out / "predict.json").write_text("{")
    status, _, stderr = predict(other, *images, "--out", out)
    assert (status, stderr) == (
        2,
        f"{out / 'predict.json'} is damaged. Remove it together with the predictions beside it.\n",
    )


def test_shards_label_each_image_once(checkpoint: Path, photos: Path, tmp_path: Path) -> None:
    out, done = tmp_path / "out", []
    for k in range(3):
        predict(checkpoint, photos, "--recursive", "--out", out, "--shard", f"{k}/3")
        done.append(len(names(out)))
    assert (names(out), done) == (FIVE, sorted(done))
    assert done[0] < 5


def test_one_image_goes_through_pipes(checkpoint: Path, images: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    predict(checkpoint, images[0], "--out", out)
    result = CliRunner().invoke(
        app, ["predict", str(checkpoint), "-"], input=images[0].read_bytes()
    )
    assert result.exit_code == 0
    with Image.open(BytesIO(result.stdout_bytes)) as picture:
        assert picture.mode == "P"
        np.testing.assert_array_equal(np.array(picture), mask(out / "a.png"))
    result = CliRunner().invoke(app, ["predict", str(checkpoint), "-"], input=b"<html>")
    assert (result.exit_code, result.stdout_bytes) == (2, b"")
    assert result.stderr.startswith("Cannot read the image ")


def claim(path: Path, side: int) -> None:
    """Write a PNG whose header claims to be a large square; its pixels are missing."""
    Image.new("1", (8, 8)).save(path)
    content = path.read_bytes()
    header = b"IHDR" + struct.pack(">II", side, side) + content[24:29]
    path.write_bytes(content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:])


def test_images_that_are_too_large_are_named_and_the_others_labeled(
    checkpoint: Path, images: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim(tmp_path / "bomb.png", 30000)
    claim(tmp_path / "large.png", 9000)
    memory = round(resident() / 1e9 * 8 / 7 + 0.5, 1)
    status, stdout, stderr = predict(
        checkpoint, tmp_path / "bomb.png", tmp_path / "large.png", *images,
        "--out", tmp_path / "out", "--memory", memory,
    )  # fmt: skip
    assert (status, stdout) == (1, f"Labeled 2 of 4 images in {tmp_path / 'out'}\n")
    bomb, large = stderr.splitlines()
    assert bomb == (
        f"Cannot read the image {tmp_path / 'bomb.png'}: it claims 900,000,000 pixels, more than "
        "178,000,000, and may be a decompression bomb. Raise the limit with `fcn predict "
        "--max-megapixels`; for training and scoring, cut the image into smaller ones."
    )
    assert large.startswith(f"Cannot read the image {tmp_path / 'large.png'}: 9000 x 9000 pixels")
    assert large.endswith(f"GB of memory; --memory allows {memory:g}.")


def test_a_lack_of_memory_costs_one_image(
    checkpoint: Path, images: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    label = Predictor.label

    def short(self: Predictor, batch: list[dict[str, np.ndarray]], keep: None) -> object:
        if batch[0][""].shape[0] == 37:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to")
        return label(self, batch, keep)

    monkeypatch.setattr(Predictor, "label", short)
    status, _, stderr = predict(checkpoint, *images, "--out", tmp_path / "out")
    assert (status, stderr) == (
        1,
        f"Cannot label {images[0]}: memory does not suffice for 37 x 52 pixels. Use a smaller "
        "--memory.\n",
    )
    assert names(tmp_path / "out") == ["b.png"]
