"""`.caffemodel` files of both formats, complete and damaged."""

from pathlib import Path

import numpy as np
import pytest
import torch

import warm
from fcn_lightning.formats.caffe import schema
from fcn_lightning.formats.caffe.caffemodel import foreign_weights
from fcn_lightning.formats.caffe.reader import read
from fcn_lightning.formats.caffe.writer import write
from fcn_lightning.models import build
from formats.peak import import_and_measure

GOLDEN = ("voc-fcn8s", "voc-fcn-alexnet")


@pytest.fixture
def layers():
    return {
        "conv1": [torch.randn(4, 3, 5, 5), torch.randn(4)],
        "ip1": [torch.randn(10, 6), torch.randn(10)],
    }


@pytest.mark.parametrize("model", GOLDEN)
def test_the_references_blobs(golden, shared, model):
    weights = np.load(shared / "golden" / f"weights_{model}_narrow.npz")
    found = foreign_weights(golden(model)).weights
    assert {name for name in found if not name.startswith("upscore")} == set(weights.files)
    for name in weights.files:
        np.testing.assert_array_equal(found[name].numpy(), weights[name])


@pytest.mark.parametrize("model", GOLDEN)
def test_the_references_layers(golden, model):
    net = read(golden(model))
    assert net.name == model
    assert [layer.name for layer in net.layers if layer.blobs][:2] == (
        ["conv1_1", "conv1_2"] if model == "voc-fcn8s" else ["conv1", "conv2"]
    )
    (score,) = [layer for layer in net.layers if layer.name == "score"]
    assert (score.type, score.tops) == ("Crop", ("score",))
    parameters = foreign_weights(golden(model)).parameters
    assert parameters["score"]["offset"] == (31 if model == "voc-fcn8s" else 18)


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("double", [False, True])
def test_both_formats_and_precisions(caffemodel, layers, old, double):
    found = foreign_weights(caffemodel(layers, old=old, double=double)).weights
    assert list(found) == ["conv1.weight", "conv1.bias", "ip1.weight", "ip1.bias"]
    for name, (weight, bias) in layers.items():
        assert torch.equal(found[f"{name}.weight"], weight)
        assert torch.equal(found[f"{name}.bias"], bias)


def test_shapes_in_the_old_format_have_leading_ones(caffemodel, layers):
    net = read(caffemodel(layers, old=True))
    assert [tuple(b.shape) for layer in net.layers for b in layer.blobs] == [
        (4, 3, 5, 5), (1, 1, 1, 4), (1, 1, 10, 6), (1, 1, 1, 10)
    ]  # fmt: skip
    assert [layer.type for layer in net.layers] == ["Convolution", "InnerProduct"]


def test_gradients_in_a_blob_are_ignored(caffemodel, layers):
    path = caffemodel(layers)
    net = schema.NetParameter.FromString(path.read_bytes())
    diff = b"\x32\x08" + np.float32([np.nan, 1]).tobytes()  # field 6, eight bytes
    blob = net.layer[0].blobs[1]
    net.layer[0].blobs[1].CopyFrom(schema.BlobProto.FromString(blob.SerializeToString() + diff))
    path.write_bytes(net.SerializeToString())
    assert torch.equal(foreign_weights(path).weights["conv1.bias"], layers["conv1"][1])


def test_a_truncated_file(caffemodel, layers):
    path = caffemodel(layers)
    whole = path.read_bytes()
    for length in range(len(whole) - 1, 6, -len(whole) // 40):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="truncated") as error:
            read(path)
        assert str(error.value).startswith(f"{path} is truncated after {length} bytes (")
        assert str(error.value).endswith("Download it again.")


def test_an_empty_file():
    Path("net.caffemodel").touch()
    with pytest.raises(ValueError, match="empty") as error:
        read(Path("net.caffemodel"))
    assert str(error.value) == "net.caffemodel is empty. Download it again."


@pytest.mark.parametrize(
    "content",
    [b'name: "net"\nlayer {\n}\n', b"\x1f\x8b\x08\x00packed", b"\x89HDF\r\n\x1a\n", b"hello\n",
     b"<!DOCTYPE html>", b"\xff\xd8\xff\xe0\x00\x10JFIF", bytes(64)],
)  # fmt: skip
def test_another_format(content):
    path = Path("net.caffemodel")
    path.write_bytes(content)
    with pytest.raises(ValueError, match="neither") as error:
        read(path)
    assert str(error.value) == (
        "net.caffemodel is neither a .caffemodel nor a .pth file of torchfcn or torchvision. "
        "Decompress it first if it is compressed."
    )


def test_no_file():
    with pytest.raises(FileNotFoundError):
        read(Path("net.caffemodel"))


def test_no_layers(caffemodel):
    with pytest.raises(ValueError, match="layers") as error:
        read(caffemodel({}))
    assert str(error.value) == (
        f"{Path.cwd() / 'given.caffemodel'} has no layers. Import the .caffemodel itself."
    )


def test_a_blob_of_another_size(caffemodel, layers):
    path = caffemodel({"conv1": layers["conv1"][:1]}, shapes={"conv1": (4, 3, 5, 6)})
    with pytest.raises(ValueError, match="values") as error:
        read(path)
    assert str(error.value) == (
        f"{path}: blob 0 of `conv1` has 300 values; its shape (4, 3, 5, 6) requires 360. Download "
        "the file again."
    )


def test_a_blob_of_half_a_number(caffemodel, layers):
    path = caffemodel(layers)
    net = schema.NetParameter.FromString(path.read_bytes())
    net.layer[1].blobs[1].data = net.layer[1].blobs[1].data[:-1]
    path.write_bytes(net.SerializeToString())
    with pytest.raises(ValueError, match="damaged") as error:
        read(path)
    assert str(error.value) == (f"{path}: blob 1 of `ip1` is damaged. Download the file again.")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e300])
def test_a_blob_that_is_not_finite(caffemodel, layers, value):
    weight = layers["conv1"][0].double()
    weight[1, 2, 3, 4] = value
    path = caffemodel({"conv1": [weight]}, double=True)
    with pytest.raises(ValueError, match="NaN") as error:
        read(path)
    assert str(error.value) == (
        f"{path}: blob 0 of `conv1` contains NaN or infinity. Use a snapshot from before the "
        "training diverged."
    )


def test_a_damaged_layer(caffemodel, layers):
    path = caffemodel(layers)
    content = bytearray(path.read_bytes())
    content[content.index(b"conv1") - 1] = 0x7F  # the length of the layer's name
    path.write_bytes(content)
    with pytest.raises(ValueError, match="damaged") as error:
        read(path)
    assert str(error.value).startswith(f"{path} has a damaged layer (")


def test_an_invalid_name(caffemodel, layers):
    path = caffemodel(layers)
    path.write_bytes(path.read_bytes().replace(b"conv1", b"conv\xff"))
    with pytest.raises(ValueError, match="damaged"):
        read(path)


def test_the_oldest_format(caffemodel):
    path = caffemodel({})
    path.write_bytes(b"\x12\x07\x0a\x05\x0a\x03abc")  # layers { layer { name: "abc" } }
    with pytest.raises(ValueError, match="V0") as error:
        read(path)
    assert str(error.value) == (
        f"{path} has Caffe's V0 format, which is not supported. Upgrade it with Caffe's "
        "upgrade_net_proto_binary."
    )


def test_a_weight_of_other_dimensions(caffemodel):
    path = caffemodel({"fc6": [torch.zeros(2, 3, 4, 4)]}, types={"fc6": "InnerProduct"})
    with pytest.raises(ValueError, match="dimensions") as error:
        foreign_weights(path)
    assert str(error.value) == (
        f"{path}: the weight of `fc6` has the shape (2, 3, 4, 4); InnerProduct requires 2 "
        "dimensions. Import a file of a published network."
    )


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="there is no /proc here")
def test_memory_stays_below_twice_the_file():
    backbone = {"name": "vgg16", "widths": (4, 4, 4, 4, 128), "fc_widths": (8000, 8)}
    _, binary = write(build(backbone=backbone, head={}, num_classes=2), Path("net"))
    size = binary.stat().st_size
    assert size > 200e6
    measured = warm.CONTEXT.SimpleQueue()
    process = warm.child(import_and_measure, (binary, measured))
    process.start()
    process.join()
    assert process.exitcode == 0
    # the mapped file and one copy of its values; 50 MB for what torch loads when it saves
    assert measured.get() < 2 * size + 50e6
