"""`fcn import` and `fcn export`, and what they make in the other commands."""

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
from fcn_lightning.weights import read_checkpoint


def command(*arguments: object) -> Result:
    return CliRunner().invoke(fcn.app, [str(each) for each in arguments])


@pytest.fixture
def checkpoint(narrow):
    """A checkpoint as training leaves it, of a network of the embedded set's classes."""
    network = narrow(("pool4",), num_classes=len(shapes.SHAPES))
    state = {f"network.{name}": value for name, value in network.state_dict().items()}
    card = {"format": 1, "network": network.description}
    torch.save({"fcn_lightning": card, "state_dict": state, "global_step": 3}, "ours.ckpt")
    return Path("ours.ckpt")


def test_out_and_in_again(checkpoint):
    done = command("export", checkpoint, "--caffe", "net")
    assert (done.exit_code, done.stdout) == (
        0, "net.prototxt is written\nnet.caffemodel is written\n"
    )  # fmt: skip
    done = command("import", "net.caffemodel")
    assert (done.exit_code, done.stdout) == (
        0,
        "net.caffemodel: vgg16, skips pool4, 7 classes, upscore fixed, normalize caffe\n"
        "34 copied, built as bilinear: upscore2, upscore16\n"
        "net.ckpt is written\n",
    )
    image = torch.randint(0, 256, (1, 3, 40, 50), dtype=torch.uint8)
    first, second = (read_checkpoint(Path(f"{n}.ckpt")).network().eval() for n in ("ours", "net"))
    assert torch.equal(first(image), second(image))


def test_a_classifier_says_that_it_is_untrained():
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
        "12 copied, 2 reshaped (fc6, fc7), left at their start: score_fr, not used: fc8\n"
        "a.ckpt is written; its scores are zero until it is trained\n",
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
        2, "The checkpoint names no data; name it by --data NAME --data-root DIR."
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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["import", "no.caffemodel"], "no.caffemodel: No such file or directory."),
        (["import", "notes.txt"],
         "notes.txt must be a .caffemodel, or a .pth file of torchfcn or torchvision; it holds "
         "something else. Unpack it first if it is compressed."),
        (["import", "notes.txt", "--out", "notes.txt"],
         "notes.txt must not exist yet; it does. Add --overwrite to replace it."),
        (["export", "no.ckpt", "--caffe", "net"],
         "no.ckpt must be a checkpoint; there is no such file."),
        (["export", "no.ckpt"], "The export's format must be given; add --caffe STEM."),
    ],
)  # fmt: skip
def test_wrong_commands(arguments, message):
    Path("notes.txt").write_text("notes")
    done = command(*arguments)
    assert (done.exit_code, done.stderr.strip()) == (2, message)
    assert [path.name for path in Path().iterdir()] == ["notes.txt"]


def test_a_pth_that_may_be_of_at_once_is_told(narrow):
    state = narrow(("pool4", "pool3")).state_dict()
    torch.save({".".join(name.split(".")[-2:]): value for name, value in state.items()}, "a.pth")
    hint = "It was read as FCN8s; add --at-once if it is of FCN8sAtOnce.\n"
    assert command("import", "a.pth").stdout.endswith(f"a.ckpt is written\n{hint}")
    assert hint not in command("import", "a.pth", "--at-once", "--overwrite").stdout


def test_several_heads_are_not_scored_yet(narrow):
    network = narrow(num_classes={"sem": 33, "geo": 3})
    state = {f"network.{name}": value for name, value in network.state_dict().items()}
    card = {"format": 1, "network": network.description}
    torch.save({"fcn_lightning": card, "state_dict": state}, "two.ckpt")
    done = command("evaluate", "two.ckpt", "--data", "shapes")
    assert (done.exit_code, done.stderr) == (
        2, "two.ckpt must have one head to be scored; it has several.\n"
    )  # fmt: skip
