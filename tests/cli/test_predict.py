"""`fcn predict`: palette PNGs of the same names and sizes, and its errors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from fcn_lightning.cli.fcn import app
from fcn_lightning.models import Network

SIZES = {"a.jpg": (37, 52), "b.png": (1, 9)}


def predict(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["predict", *map(str, arguments)])
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


def saved(network: Network, path: Path) -> Path:
    state = {f"network.{name}": value for name, value in network.state_dict().items()}
    card = {"format": 1, "network": network.description}
    torch.save({"fcn_lightning": card, "state_dict": state}, path)
    return path


def test_label_maps_have_the_images_names_and_sizes(
    checkpoint: Path, images: list[Path], tmp_path: Path, narrow: Callable[..., Network]
) -> None:
    out = tmp_path / "new" / "masks"
    status, stdout, _ = predict(checkpoint, *images, "--out", out)
    assert (status, stdout) == (0, f"Labeled 2 of 2 images in {out}\n")
    assert sorted(path.name for path in out.iterdir()) == ["a.png", "b.png"]
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
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a_geo.png", "a_sem.png"]


def test_a_broken_image_is_reported_and_the_others_are_labeled(
    checkpoint: Path, images: list[Path], tmp_path: Path
) -> None:
    images[0].write_bytes(images[0].read_bytes()[:200])
    status, stdout, stderr = predict(checkpoint, *images, "--out", tmp_path / "out")
    assert status == 1
    assert f"Cannot read the image {images[0]}:" in stderr
    assert stdout == f"Labeled 1 of 2 images in {tmp_path / 'out'}\n"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b.png"]


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


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["missing.jpg"], "Image not found: {0}."),
        (["other"], "{0} is a folder. Give image files."),
        (
            ["a.jpg", "other/a.png"],
            "{0} and {1} would both be written to a.png. Predict them into different folders.",
        ),
    ],
)
def test_names_are_checked_before_the_work(
    checkpoint: Path, images: list[Path], tmp_path: Path, names: list[str], message: str
) -> None:
    (tmp_path / "other").mkdir()
    Image.new("RGB", (3, 3)).save(tmp_path / "other" / "a.png")
    paths = [tmp_path / name for name in names]
    status, _, stderr = predict(checkpoint, *paths, "--out", tmp_path / "out")
    assert (status, stderr) == (2, message.format(*paths) + "\n")
    assert not (tmp_path / "out").exists()


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
    shapes = {path.stem: np.array(Image.open(path)).shape for path in out.iterdir()}
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
