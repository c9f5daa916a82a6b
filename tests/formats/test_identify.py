"""`.pth` files of torchfcn and torchvision."""

import importlib
import os
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from fcn_lightning.formats import read_checkpoint, read_weights
from fcn_lightning.formats.imports import import_file

OUT = Path("net.ckpt")


def refusal(path, **options):
    with pytest.raises(ValueError, match=r"\w") as error:
        import_file(Path(path), OUT, **options)
    assert not OUT.exists()
    assert len(list(Path().iterdir())) == 1
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.fixture
def state(network):
    """Weights by torchfcn's names for layers, which are Caffe's."""

    def of(kind):
        names = network(kind).state_dict()
        return {".".join(name.split(".")[-2:]): value for name, value in names.items()}

    return of


def saved(content):
    torch.save(content, "their.pth")
    return Path("their.pth")


def test_weights_alone(state):
    weights = state("voc-fcn16s")
    imported = import_file(saved(weights), OUT)
    assert imported.description["head"]["skips"] == ["pool4"]
    assert imported.description["normalize"] == "caffe"
    found = read_checkpoint(OUT).network().state_dict()
    assert all(torch.equal(v, weights[".".join(n.split(".")[-2:])]) for n, v in found.items())


def test_torchfcns_mean_does_not_follow_from_the_classes(narrow):
    weights = narrow(num_classes=40).state_dict()
    path = saved({".".join(name.split(".")[-2:]): value for name, value in weights.items()})
    assert import_file(path, OUT).description["normalize"] == "caffe"


@pytest.mark.parametrize(("arch", "scales"), [("FCN8s", None), ("FCN8sAtOnce", [0.01, 0.0001])])
def test_a_checkpoint_names_its_class(state, arch, scales):
    content = {
        "epoch": 3, "iteration": 7, "arch": arch, "best_mean_iu": np.float64(0.5),
        "optim_state_dict": {"state": {}, "param_groups": [{"lr": 1e-10}]},
        "model_state_dict": state("voc-fcn8s"),
    }  # fmt: skip
    imported = import_file(saved(content), OUT)
    assert imported.description["head"].get("scales") == scales


def test_at_once_can_be_set(state):
    imported = import_file(saved(state("voc-fcn8s")), OUT, at_once=True)
    assert imported.description["head"]["scales"] == [0.01, 0.0001]


@pytest.mark.parametrize(
    ("kind", "arch", "which"), [("voc-fcn16s", None, "another network"),
                                ("voc-fcn8s", "FCN8s", "FCN8s")]
)  # fmt: skip
def test_at_once_of_another_network_is_refused(state, kind, arch, which):
    path = saved({"arch": arch, "model_state_dict": state(kind)})
    assert refusal(path, at_once=True) == (
        f"`--at-once` applies to FCN8sAtOnce; their.pth is of {which}. Omit `--at-once`."
    )


def test_half_precision_becomes_float32(state):
    half = {name: value.half() for name, value in state("voc-fcn32s").items()}
    import_file(saved(half), OUT)
    bias = read_checkpoint(OUT).weights["backbone.conv1_1.bias"]
    assert bias.dtype == torch.float32


@pytest.mark.parametrize("name", ["vgg16", "alexnet"])
def test_torchvisions_classifiers(network, name):
    numbers = {
        "vgg16": [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28], "alexnet": [0, 3, 6, 8, 10]
    }[name]  # fmt: skip
    backbone = network("voc-fcn32s" if name == "vgg16" else "alexnet").backbone
    layers = [layer for layer in backbone.children() if isinstance(layer, nn.Conv2d)]
    content = {}
    for number, layer in zip(numbers, layers, strict=False):
        content |= {f"features.{number}.{k}": v.data for k, v in layer.named_parameters()}
    fc = [0, 3, 6] if name == "vgg16" else [1, 4, 6]
    shapes = [layers[-2].weight.flatten(1), layers[-1].weight.flatten(1), torch.zeros(10, 64)]
    for number, weight in zip(fc, shapes, strict=True):
        content[f"classifier.{number}.weight"] = weight.detach().clone()
        content[f"classifier.{number}.bias"] = torch.zeros(len(weight))
    imported = import_file(saved(content), OUT, classes=5)
    assert imported.description["backbone"]["name"] == name
    assert imported.description["normalize"] == "torchvision"
    assert (imported.description["num_classes"], imported.unscored) == (5, True)
    assert imported.report.reshaped == ["fc6.weight", "fc7.weight"]
    assert imported.report.left_out == ["fc8.weight", "fc8.bias"]
    found = read_checkpoint(OUT).network().backbone
    assert torch.equal(found.fc6.weight.flatten(1), content[f"classifier.{fc[0]}.weight"])


def test_torchvisions_googlenet_is_refused():
    content = {"conv1.conv.weight": torch.zeros(1), "inception3a.branch1.bn.bias": torch.zeros(1)}
    assert refusal(saved(content)) == (
        "their.pth is torchvision's GoogLeNet, which differs from the published one (batch "
        "normalization, no 5 x 5 convolutions). Import Caffe's bvlc_googlenet.caffemodel."
    )


def test_features_alone_are_refused():
    content = {f"features.{n}.weight": torch.zeros(1) for n in (0, 3, 6, 8, 10)}
    assert refusal(saved(content)) == (
        "their.pth is not torchvision's vgg16, vgg19 or alexnet with its classifier: it has 5 "
        "layers with weights in `features`, and outside of them none. Use features alone with "
        "`init_from`."
    )


def test_weights_that_are_not_finite_are_refused(state):
    weights = state("voc-fcn32s")
    weights["fc7.bias"][3] = float("nan")
    assert refusal(saved(weights)) == (
        "their.pth: `fc7.bias` contains NaN or infinity. Use weights from before the training "
        "diverged."
    )


def test_a_value_that_is_no_weight_is_refused():
    torch.save({"fc7.bias": torch.tensor(1.0)}, "their.pth")
    assert refusal("their.pth") == (
        "their.pth: `fc7.bias` is not a dense array of real numbers. Save the network's "
        "`state_dict()`."
    )
    torch.save({3: torch.ones(1)}, "their.pth")
    assert refusal("their.pth") == (
        "their.pth contains no weights by layer name. Save the network's `state_dict()`."
    )


def test_objects_are_refused():
    torch.save({"model": nn.Linear(1, 1)}, "their.pth")
    assert refusal("their.pth") == (
        "their.pth is not a readable checkpoint or weight file: it is truncated, of another "
        "format, or contains more than plain values and tensors. Save or download it again; import "
        "a .caffemodel with `fcn import`."
    )


def test_a_truncated_file_is_refused(state):
    path = saved(state("voc-fcn32s"))
    path.write_bytes(path.read_bytes()[:-1000])
    assert "is truncated" in refusal(path)


@pytest.mark.parametrize("content", [{}, {"epoch": 3}, {"model_state_dict": [1]}, {"a": [1.0]}])
def test_no_weights_are_refused(content):
    assert refusal(saved(content)) == (
        "their.pth contains no weights by layer name. Save the network's `state_dict()`."
    )


def test_our_own_checkpoint_is_refused():
    path = saved({"fcn_lightning": {"format": 1}, "state_dict": {}})
    assert refusal(path) == ("their.pth is a checkpoint of fcn-lightning already. Use it as it is.")


@pytest.mark.parametrize("key", ["state_dict", "model_state", "model_state_dict", None])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_wrapped_weights_and_those_of_data_parallel_are_read(state, key, prefix):
    weights = state("voc-fcn16s")
    content = {f"{prefix}{name}": value for name, value in weights.items()}
    path = saved({key: content, "epoch": 3} if key else content)
    imported = import_file(path, OUT)
    assert imported.description["head"]["skips"] == ["pool4"]
    found = read_checkpoint(OUT).network().state_dict()
    assert all(torch.equal(v, weights[".".join(n.split(".")[-2:])]) for n, v in found.items())
    started = read_weights(path, read_checkpoint(OUT).network())
    assert started.keys() == weights.keys()


def test_a_run_that_starts_from_a_checkpoint_of_torchfcn_is_told_to_import_it(state, network):
    content = {
        "arch": "FCN16s", "best_mean_iu": np.float64(0.5), "model_state_dict": state("voc-fcn16s")
    }  # fmt: skip
    path = saved(content)
    with pytest.raises(ValueError, match="torchfcn") as error:
        read_weights(path, network("voc-fcn16s"))
    assert str(error.value) == (
        "their.pth is a checkpoint of torchfcn (FCN16s). Import it first: fcn import their.pth"
    )


@pytest.mark.parametrize(
    ("layer", "kind"),
    [
        ("backbone.layer1.0.conv1.weight", "torchvision's segmentation network"),
        ("stages.0.blocks.1.conv_dw.weight", "a ConvNeXt"),
        ("blocks.0.0.conv_pw.weight", "an EfficientNet or MobileNet"),
        ("blocks.3.attn.qkv.weight", "a transformer"),
        ("features.denseblock1.denselayer1.norm1.weight", "a DenseNet"),
        ("down1.conv.weight", "a U-Net"),
    ],
)
def test_networks_of_others_are_named(layer, kind):
    assert f"their.pth is {kind}, not " in refusal(saved({layer: torch.zeros(2, 2, 3, 3)}))


def test_another_network_is_refused():
    path = saved({"layer1.0.conv1.weight": torch.zeros(2, 2, 3, 3)})
    assert refusal(path) == (
        "their.pth is a ResNet, not VGG-16, VGG-19, CaffeNet, GoogLeNet or an FCN of one of them. "
        "Its layers with weights are layer1.0.conv1. Use it with backbone=timm backbone.model=NAME "
        "classifier=FILE."
    )


@pytest.fixture
def torchfcn(monkeypatch):
    """torchfcn's networks, without its dependency `fcn`, which no longer installs."""
    if "FCN_TORCHFCN" not in os.environ:
        pytest.skip("FCN_TORCHFCN does not name a folder with torchfcn (pip install --target)")
    package = types.ModuleType("torchfcn")  # the real one imports the data sets' dependencies
    package.__path__ = [str(Path(os.environ["FCN_TORCHFCN"]) / "torchfcn")]
    before = set(sys.modules)
    monkeypatch.setitem(sys.modules, "torchfcn", package)
    monkeypatch.setitem(sys.modules, "fcn", types.ModuleType("fcn"))
    yield importlib.import_module("torchfcn.models")
    for name in set(sys.modules) - before:
        if name.startswith("torchfcn."):
            del sys.modules[name]


@pytest.mark.parametrize("name", ["FCN32s", "FCN16s", "FCN8s", "FCN8sAtOnce"])
def test_torchfcns_own_networks_score_the_same(torchfcn, name):
    theirs = getattr(torchfcn, name)(n_class=21).eval()
    for own, layer in theirs.named_children():
        if isinstance(layer, nn.Conv2d):
            std = 0.001 if own.startswith("score") else (2 / layer.weight[0].numel()) ** 0.5
            nn.init.normal_(layer.weight, std=std)
            nn.init.normal_(layer.bias, std=0.1)
    import_file(saved({"arch": name, "model_state_dict": theirs.state_dict()}), OUT)
    ours = read_checkpoint(OUT).network().eval()
    image = torch.randint(0, 256, (1, 3, 65, 79), dtype=torch.uint8)
    with torch.no_grad():
        expected, found = theirs(ours.normalize(image)), ours(image)
    assert expected.std() > 0.01
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
    assert (found.argmax(1) == expected.argmax(1)).float().mean() > 0.9999
