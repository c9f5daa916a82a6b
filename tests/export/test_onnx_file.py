"""ONNX files: what they compute, in a process without torch too, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from fcn_lightning.export import onnx_file, write_onnx
from fcn_lightning.models import Network, build

pytestmark = pytest.mark.usefixtures("unchecked")  # traced sizes are tensors

SIZES = [(1, 1, 1), (1, 30, 29), (2, 51, 46), (1, 9, 140), (1, 65, 64)]

RUNTIME = """
import json, sys
import numpy as np, onnxruntime
session = onnxruntime.InferenceSession("net.onnx", providers=["CPUExecutionProvider"])
for name, image in np.load("images.npz").items():
    np.save(name + ".npy", session.run(["score"], {"image": image})[0])
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def images(channels: int = 3) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(7)
    for n, h, w in SIZES:
        yield rng.integers(256, size=(n, channels, h, w)).astype(np.uint8)


def scored(network: Network, image: object) -> np.ndarray:
    with torch.no_grad():
        return network(image).numpy()


@pytest.mark.parametrize(
    ("backbone", "skips", "arguments"),
    [
        ("vgg16", ("pool4", "pool3"), {}),
        ("vgg16", ("pool4",), {"padding": "same"}),
        ("caffenet", (), {}),
        ("alexnet", ("pool2",), {"padding": "same"}),
        ("googlenet", ("pool3", "pool2"), {}),
    ],
)
def test_a_file_scores_images_of_any_size(
    narrow: Callable[..., Network],
    backbone: str,
    skips: tuple[str, ...],
    arguments: dict[str, object],
) -> None:
    network = narrow(skips, backbone, **arguments)
    exported, difference = write_onnx(network, Path("net.onnx"))
    session = onnxruntime.InferenceSession("net.onnx")
    assert (exported.inputs, exported.outputs) == (["image"], ["score"])
    assert 0 < difference < 1e-2
    for image in images():
        score = scored(network, torch.from_numpy(image))
        found = session.run(["score"], {"image": image})[0]
        np.testing.assert_allclose(found, score, atol=1e-4 * np.abs(score).max())


def test_onnx_runtime_needs_no_torch(narrow: Callable[..., Network]) -> None:
    network = narrow(("pool4", "pool3"))
    write_onnx(network, Path("net.onnx"))
    given = {f"{i}": image for i, image in enumerate(images())}
    np.savez("images.npz", **given)
    command = [sys.executable, "-c", RUNTIME]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert {"torch", "fcn_lightning", "torchvision"}.isdisjoint(json.loads(done.stdout))
    for name, image in given.items():
        score = scored(network, torch.from_numpy(image))
        np.testing.assert_allclose(np.load(f"{name}.npy"), score, atol=1e-4 * np.abs(score).max())


def test_labels_are_the_best_scored_classes(narrow: Callable[..., Network]) -> None:
    network = narrow()
    exported, difference = write_onnx(network, Path("net.onnx"), argmax=True)
    session = onnxruntime.InferenceSession("net.onnx")
    assert exported.outputs == ["label"]
    assert difference < 1e-2
    for image in images():
        label = session.run(["label"], {"image": image})[0]
        score = scored(network, torch.from_numpy(image))
        assert (label.dtype, label.shape) == (np.uint8, (len(image), *image.shape[2:]))
        chosen = np.take_along_axis(score, label[:, None].astype(np.int64), 1)[:, 0]
        np.testing.assert_allclose(chosen, score.max(1), atol=1e-3)
    assert len(np.unique(label)) > 1


def test_each_head_is_an_output(narrow: Callable[..., Network]) -> None:
    network = narrow(num_classes={"sem": 33, "geo": 3})
    exported, _ = write_onnx(network, Path("net.onnx"))
    assert exported.outputs == ["score_sem", "score_geo"]
    image = np.random.default_rng(0).integers(256, size=(1, 3, 31, 40)).astype(np.uint8)
    found = onnxruntime.InferenceSession("net.onnx").run(None, {"image": image})
    with torch.no_grad():
        scores = network(torch.from_numpy(image))
    for own, score in zip(found, scores.values(), strict=True):
        np.testing.assert_allclose(own, score.numpy(), atol=1e-3)


@pytest.mark.parametrize("fusion", ["early", "late"])
def test_each_modality_is_an_input(narrow: Callable[..., Network], fusion: str) -> None:
    normalize = {"color": "nyud_color", "depth": "nyud_depth"}
    if fusion == "late":
        normalize = {"color": "nyud_color", "hha": "nyud_hha"}
    network = narrow(normalize=normalize, fusion=fusion)
    exported, _ = write_onnx(network, Path("net.onnx"))
    assert exported.inputs == [f"image_{name}" for name in normalize]
    rng = np.random.default_rng(0)
    given = {
        "image_color": rng.integers(256, size=(2, 3, 27, 40)).astype(np.uint8),
        "image_depth": rng.integers(1, 9000, (2, 1, 27, 40)).astype(np.float32),
        "image_hha": rng.integers(256, size=(2, 3, 27, 40)).astype(np.uint8),
    }
    own = {name: given[name] for name in exported.inputs}
    found = onnxruntime.InferenceSession("net.onnx").run(None, own)[0]
    score = scored(network, {n: torch.from_numpy(given[f"image_{n}"]) for n in normalize})
    np.testing.assert_allclose(found, score, atol=1e-4 * np.abs(score).max())


def test_a_file_that_differs_is_not_put_in_place(
    narrow: Callable[..., Network], monkeypatch: pytest.MonkeyPatch
) -> None:
    network = narrow()

    def export_other_weights(exported: onnx_file.Exported, path: Path) -> None:
        before = network.head.score_fr.bias[0].item()
        torch.nn.init.constant_(network.head.score_fr.bias, before + 5)
        export(exported, path)
        torch.nn.init.constant_(network.head.score_fr.bias, before)

    export = onnx_file._export
    monkeypatch.setattr(onnx_file, "_export", export_other_weights)
    Path("net.onnx").write_text("before")
    with pytest.raises(ValueError, match="differs") as error:
        write_onnx(network, Path("net.onnx"), overwrite=True)
    assert "on 1 images of 1 x 1 pixels" in str(error.value)
    assert [path.name for path in Path().iterdir()] == ["net.onnx"]
    assert Path("net.onnx").read_text() == "before"


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (
            {"head": {"name": "classifier"}, "padding": "same", "fc6_kernel": 3},
            "The network is a classifier. Only networks that label pixels can be exported.",
        ),
        (
            {"image_scale": 0.5},
            "The network scales images itself (image_scale 0.5), by a size that is rounded: "
            "exported files have no such operation. Train it with image_scale=1.",
        ),
    ],
)
def test_networks_that_cannot_be_exported(
    narrow: Callable[..., Network], network: dict[str, object], message: str
) -> None:
    scale = network.pop("image_scale", None)
    own = narrow(**network)
    if scale:
        own = build(**{**own.description, "image_scale": scale})
    with pytest.raises(ValueError, match=r"network") as error:
        write_onnx(own, Path("net.onnx"))
    assert str(error.value) == message
    assert not list(Path().iterdir())


def test_the_packages_are_named(
    narrow: Callable[..., Network], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ValueError, match="onnxruntime") as error:
        write_onnx(narrow(), Path("net.onnx"))
    assert str(error.value) == (
        "--onnx needs the packages onnx and onnxruntime: pip install 'fcn-lightning[onnx]'."
    )
