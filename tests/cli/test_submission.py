"""`fcn submission`: the archive of a network's label maps, and its errors."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from fcn_lightning.cli.fcn import app
from fcn_lightning.data import voc
from fcn_lightning.labels import VOC
from fcn_lightning.models import Network
from submission.archives import COLORS, FOLDER, label, tgz, tree

SIZES = {"2008_000006": (25, 37), "2008_000011": (1, 9), "2009_000008": (30, 20)}


def submission(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["submission", *map(str, arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def saved(network: Network, path: Path, classes: tuple[str, ...] | None = None) -> Path:
    state = {f"network.{name}": value for name, value in network.state_dict().items()}
    labels = {"": {"name": "own", "classes": classes, "colors": ((9, 9, 9),) * len(classes or ())}}
    card = {"format": 1, "network": network.description, "labels": labels if classes else None}
    torch.save({"fcn_lightning": card, "state_dict": state}, path)
    return path


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setitem(voc.COUNTS["VOC2012"], "test", len(SIZES))
    return tree(tmp_path / "data", SIZES)


def test_the_archive_has_the_label_map_of_each_id(
    narrow: Callable[..., Network], data: Path
) -> None:
    network = narrow()
    checkpoint = saved(network, Path("net.ckpt"), VOC.classes)
    assert submission(checkpoint, "--data-root", data, "--out", "fcn.tgz") == (
        0, "Wrote fcn.tgz: 3 label maps\n", "",
    )  # fmt: skip
    with tarfile.open("fcn.tgz") as archive:
        found = {m.name: archive.extractfile(m).read() for m in archive.getmembers()}
    assert list(found) == [f"{FOLDER}/{name}.png" for name in SIZES]
    for name, content in zip(SIZES, found.values(), strict=True):
        photo = Image.open(data / "VOCdevkit" / "VOC2012" / "JPEGImages" / f"{name}.jpg")
        with torch.no_grad():
            score = network(torch.from_numpy(np.array(photo)).permute(2, 0, 1)[None])
        picture = Image.open(io.BytesIO(content))
        np.testing.assert_array_equal(np.array(picture), score[0].argmax(0))
        assert picture.mode == "P"
        assert picture.getpalette()[: 3 * 21] == [channel for color in COLORS for channel in color]
    assert not Path("fcn.tgz.predictions").exists()
    assert submission("--check", "fcn.tgz", "--data-root", data) == (
        0, "fcn.tgz has nothing that the server rejects.\n", "",
    )  # fmt: skip


def test_an_interrupted_call_goes_on(narrow: Callable[..., Network], data: Path) -> None:
    """A broken image stops the first call; its label maps are kept for the second."""
    checkpoint = saved(narrow(), Path("net.ckpt"))
    photo = data / "VOCdevkit" / "VOC2012" / "JPEGImages" / "2009_000008.jpg"
    content = photo.read_bytes()
    photo.write_bytes(content[: len(content) // 2])
    status, _, stderr = submission(checkpoint, "--data-root", data)
    assert status == 1
    assert stderr.startswith(f"Cannot read the image {photo}: ")
    assert [path.name for path in Path().glob("results*")] == ["results.tgz.predictions"]
    photo.write_bytes(content)
    kept = label(25, 37, value=7)
    Path("results.tgz.predictions/2008_000006.png").write_bytes(kept)
    assert submission(checkpoint, "--data-root", data) == (
        0, "Wrote results.tgz: 3 label maps\n", "",
    )  # fmt: skip
    with tarfile.open("results.tgz") as archive:
        assert archive.extractfile(f"{FOLDER}/2008_000006.png").read() == kept


def test_a_faulty_archive_has_status_1(data: Path) -> None:
    files = {f"{FOLDER}/{name}.png": label(h, w) for name, (h, w) in SIZES.items()}
    files[f"{FOLDER}/2008_000011.png"] = label(1, 9, value=255)
    assert submission("--check", tgz(Path("a.tgz"), files), "--data-root", data) == (
        1, "", "2008_000011.png has the void value 255; values are class indices from 0 to 20.\n",
    )  # fmt: skip
    Path("b.tgz").write_bytes(b"hello")
    assert submission("--check", "b.tgz") == (
        1, "", "b.tgz is neither a .tgz nor a .zip archive.\n",
    )  # fmt: skip


def test_an_archive_without_faults_and_without_the_test_list(data: Path) -> None:
    files = {f"{FOLDER}/{name}.png": label(h, w) for name, (h, w) in SIZES.items()}
    assert submission("--check", tgz(Path("a.tgz"), files)) == (
        0,
        "a.tgz has nothing that the server rejects. Ids and sizes were not compared: add "
        "--data-root DIR.\n",
        "",
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["net.ckpt", "--data-root", "data"],
         "The network's classes are not VOC's: it has 3 (a, b, c, ...); VOC has 21 (background, "
         "aeroplane, bicycle, ...)."),
        (["net.ckpt", "--data-root", "data", "--year", "2011"],
         "VOC is not in data, data/VOC2011, data/VOCdevkit/VOC2011, "
         "data/TrainVal/VOCdevkit/VOC2011, data/TrainVal/VOC2011: none of these has a folder "
         "JPEGImages. "),
    ],
)  # fmt: skip
def test_wrong_use(
    narrow: Callable[..., Network], data: Path, arguments: list[str], message: str
) -> None:
    saved(narrow(num_classes=3), Path("net.ckpt"), ("a", "b", "c"))
    status, stdout, stderr = submission(*arguments)
    assert (status, stdout) == (2, "")
    assert stderr.startswith(message)
    assert len(stderr.splitlines()) == 1


def test_a_list_of_another_length_and_missing_images(
    narrow: Callable[..., Network], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = saved(narrow(), Path("net.ckpt"))
    top = data / "VOCdevkit" / "VOC2012"
    (top / "JPEGImages" / "2008_000011.jpg").unlink()
    assert submission(checkpoint, "--data-root", data)[2] == (
        f"1 of 3 test images are missing; the first is {top}/JPEGImages/2008_000011.jpg. Unpack "
        "the archive of the test server there.\n"
    )
    monkeypatch.setitem(voc.COUNTS["VOC2012"], "test", 1456)
    assert submission(checkpoint, "--data-root", data)[2] == (
        f"{top}/ImageSets/Segmentation/test.txt has 3 ids; that of VOC2012 has 1456. Unpack the "
        "archive of the test server there.\n"
    )
