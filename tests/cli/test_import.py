"""`fcn import` and `fcn export`, and their files in the other commands."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

from fcn_lightning.cli import fcn
from fcn_lightning.data import shapes
from fcn_lightning.formats import read_checkpoint


def command(*arguments: object) -> Result:
    return CliRunner().invoke(fcn.app, [str(each) for each in arguments])


@pytest.fixture
def checkpoint(narrow):
    """A checkpoint of training, with the classes of the embedded data."""
    network = narrow(("pool4",), num_classes=len(shapes.SHAPES))
    state = {f"network.{name}": value for name, value in network.state_dict().items()}
    card = {"format": 1, "network": network.description, "loss": "sum", "precision": "32-true"}
    torch.save({"fcn_lightning": card, "state_dict": state, "global_step": 3}, "ours.ckpt")
    return Path("ours.ckpt")


def test_an_exported_network_is_imported_again(checkpoint):
    done = command("export", checkpoint, "--caffe", "net")
    assert (done.exit_code, done.stdout) == (
        0, "Wrote net.prototxt\nWrote net.caffemodel\n"
    )  # fmt: skip
    done = command("import", "net.caffemodel")
    assert (done.exit_code, done.stdout) == (
        0,
        "net.caffemodel: vgg16, skips pool4, 7 classes, upscore fixed, normalize caffe\n"
        "34 copied, built as bilinear: upscore2, upscore16\n"
        "Wrote net.ckpt\n",
    )
    image = torch.randint(0, 256, (1, 3, 40, 50), dtype=torch.uint8)
    first, second = (read_checkpoint(Path(f"{n}.ckpt")).network().eval() for n in ("ours", "net"))
    assert torch.equal(first(image), second(image))


def test_an_imported_classifier_is_reported_as_untrained():
    layers = [(0, 4, 3, 11), (3, 6, 4, 5), (6, 8, 6, 3), (8, 8, 8, 3), (10, 8, 8, 3)]
    state = {}
    for number, out, channels, side in layers:
        state[f"features.{number}.weight"] = torch.randn(out, channels, side, side)
        state[f"features.{number}.bias"] = torch.randn(out)
    for number, shape in ((1, (5, 288)), (4, (5, 5)), (6, (1000, 5))):
        state[f"classifier.{number}.weight"] = torch.randn(shape)
        state[f"classifier.{number}.bias"] = torch.randn(shape[0])
    torch.save(state, "alexnet.pth")
    done = command("import", "alexnet.pth", "--out", "a.ckpt", "--classes", 60)
    assert (done.exit_code, done.stdout) == (
        0,
        "alexnet.pth: alexnet, no skips, 60 classes, upscore fixed, normalize torchvision\n"
        "12 copied, 2 reshaped (fc6, fc7), left as initialized: score_fr, not used: fc8\n"
        "Wrote a.ckpt; it scores zero until it is trained\n"
        "Read as trained by torchvision. Add --normalize caffe if the weights were converted from "
        "Caffe (BGR, 0..255).\n",
    )


def test_an_imported_network_is_evaluated_on_data_that_is_named(checkpoint, monkeypatch):
    for name, count in (("TRAIN", 1), ("VAL", 2), ("SHARED", 1)):
        monkeypatch.setattr(shapes, f"NUM_{name}", count)
    for name in ("SINGLE_TRAIN", "SINGLE_VAL"):
        monkeypatch.setattr(shapes, f"NUM_{name}", 1)
    shapes.draw(Path("shapes"))
    command("export", checkpoint, "--caffe", "net")
    command("import", "net.caffemodel")
    done = command("evaluate", "net.ckpt", "--data", "shapes", "--data-root", "shapes", "--json")
    assert done.exit_code == 0, done.output
    record = json.loads(done.stdout)
    assert (record["step"], record["data"], record["num_images"]) == (0, "shapes", 2)
    assert 0 < record["scores"]["loss"] < np.inf
    done = command("evaluate", "net.ckpt")
    assert (done.exit_code, done.stderr.strip()) == (
        2, "The checkpoint names no data. Add --data NAME --data-root DIR."
    )  # fmt: skip


@pytest.mark.parametrize("model", ["voc-fcn8s", "voc-fcn-alexnet"])
def test_the_references_networks_predict_as_they_did(shared, model):
    packed = (shared / "golden" / f"{model}_narrow.caffemodel.gz").read_bytes()
    Path("net.caffemodel").write_bytes(gzip.decompress(packed))
    golden = np.load(shared / "golden" / f"forward_{model}_narrow_97x131.npz")
    Image.fromarray(golden["image_rgb"]).save("image.png")
    assert command("import", "net.caffemodel").exit_code == 0
    assert command("predict", "net.ckpt", "image.png", "--out", "labels").exit_code == 0
    with Image.open("labels/image.png") as label:
        np.testing.assert_array_equal(np.asarray(label), golden["argmax"])


def test_tracebacks_are_shown_on_request():
    done = command("import", "no.caffemodel", "--traceback")
    assert done.exit_code == 2
    assert done.stderr.startswith("Traceback (most recent call last):")
    assert done.stderr.endswith("no.caffemodel: No such file or directory.\n")


def test_weights_that_may_be_of_fcn8s_at_once_are_reported(narrow):
    state = narrow(("pool4", "pool3")).state_dict()
    torch.save({".".join(name.split(".")[-2:]): value for name, value in state.items()}, "a.pth")
    hint = "Imported as FCN8s. Add --at-once if the weights are of FCN8sAtOnce.\n"
    assert command("import", "a.pth").stdout.endswith(f"Wrote a.ckpt\n{hint}")
    assert hint not in command("import", "a.pth", "--at-once", "--overwrite").stdout


def test_heads_that_the_data_lacks_are_refused(narrow, tiny_data):
    network = narrow(num_classes={"sem": 33, "geo": 3})
    state = {f"network.{name}": value for name, value in network.state_dict().items()}
    card = {"format": 1, "network": network.description, "loss": "sum", "precision": "32-true"}
    torch.save({"fcn_lightning": card, "state_dict": state}, "two.ckpt")
    root = tiny_data / "shapes"
    done = command("evaluate", "two.ckpt", "--data", "shapes", "--data-root", str(root))
    assert done.exit_code == 2
    assert done.stderr == (
        "two.ckpt scores 33 classes of sem, 3 classes of geo; shapes has 7 classes. Evaluate it on "
        "data with the same classes.\n"
    )
