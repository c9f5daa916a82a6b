from itertools import pairwise

import pytest
import torch
import torchvision
from torch import nn

from fcn_lightning.formats import read_weights
from fcn_lightning.formats.torchvision import renamed
from fcn_lightning.models import build, transplant

NUMBERS = {
    "vgg16": ((0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28), (0, 3, 6)),
    "vgg19": ((0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34), (0, 3, 6)),
    "alexnet": ((0, 3, 6, 8, 10), (1, 4, 6)),
}
"""The positions of the layers with weights in torchvision's `features` and `classifier`."""

CAFFES = {
    "vgg16": [
        "conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "conv3_3", "conv4_1",
        "conv4_2", "conv4_3", "conv5_1", "conv5_2", "conv5_3", "fc6", "fc7", "fc8",
    ],
    "vgg19": [
        "conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "conv3_3", "conv3_4",
        "conv4_1", "conv4_2", "conv4_3", "conv4_4", "conv5_1", "conv5_2", "conv5_3", "conv5_4",
        "fc6", "fc7", "fc8",
    ],
    "alexnet": ["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"],
}  # fmt: skip


def fake(backbone, network):
    """Random weights in the narrow network's shapes, by torchvision's names; fc8 has 10 classes."""
    features, classifier = NUMBERS[backbone]
    names = [f"features.{n}" for n in features] + [f"classifier.{n}" for n in classifier]
    parameters = {".".join(n.split(".")[-2:]): p for n, p in network.named_parameters()}
    state = {}
    for theirs, ours in zip(names, CAFFES[backbone], strict=True):
        shape = parameters[f"{ours}.weight"].shape if ours != "fc8" else (10, 64)
        if ours in ("fc6", "fc7"):
            shape = (shape[0], shape[1:].numel())
        state[f"{theirs}.weight"] = torch.randn(shape) * 0.1
        state[f"{theirs}.bias"] = torch.randn(shape[0]) * 0.1
    return state


@pytest.mark.parametrize("backbone", NUMBERS)
def test_torchvision_names_and_shapes_fit(backbone):
    with torch.device("meta"):
        theirs = getattr(torchvision.models, backbone)()
        ours = build(backbone={"name": backbone}, head={"name": "skip"}, num_classes=21)
        classifier = build(
            backbone={"name": backbone, "padding": "same"},
            head={"name": "classifier"},
            num_classes=1000,
        )
    by_caffes_names = renamed(theirs.state_dict(), ours)
    layers = list(dict.fromkeys(name.rpartition(".")[0] for name in by_caffes_names))
    assert layers == CAFFES[backbone]
    for name, parameter in ours.named_parameters():
        name = name.partition(".")[2]
        if not name.startswith("score"):
            assert parameter.numel() == by_caffes_names[name].numel()
            assert parameter.shape[0] == by_caffes_names[name].shape[0]
    for name, parameter in classifier.named_parameters():
        assert parameter.shape == by_caffes_names[name.partition(".")[2]].shape


@pytest.mark.parametrize("backbone", NUMBERS)
def test_a_file_of_torchvision_starts_the_network(narrow, tmp_path, backbone):
    network = narrow(backbone=backbone, normalize="torchvision")
    state = fake(backbone, network)
    torch.save(state, tmp_path / "weights.pth")
    report = transplant(network, read_weights(tmp_path / "weights.pth", network))
    features, classifier = NUMBERS[backbone]
    last = CAFFES[backbone][-4]
    assert report.missing == ["score_fr.weight", "score_fr.bias"]
    assert report.reshaped == ["fc6.weight", "fc7.weight"]
    assert report.left_out == ["fc8.weight", "fc8.bias"]
    ours = network.backbone.get_submodule(last).weight
    assert torch.equal(ours, state[f"features.{features[-1]}.weight"])
    fc6 = state[f"classifier.{classifier[0]}.weight"]
    assert torch.equal(network.backbone.fc6.weight.flatten(1), fc6)
    assert torch.equal(network.backbone.fc7.bias, state[f"classifier.{classifier[1]}.bias"])


@pytest.mark.parametrize("backbone", NUMBERS)
def test_features_alone_leave_fc6_and_fc7_as_initialized(narrow, backbone):
    network = narrow(backbone=backbone)
    start = network.backbone.fc6.weight.detach().clone()
    state = {k: v for k, v in fake(backbone, network).items() if k.startswith("features.")}
    report = transplant(network, renamed(state, network))
    assert [n for n in report.missing if n.endswith("weight")] == [
        "fc6.weight", "fc7.weight", "score_fr.weight"
    ]  # fmt: skip
    assert torch.equal(network.backbone.fc6.weight, start)


def test_a_classifier_computes_what_torchvisions_does(narrow):
    widths = [4, 4, "M", 8, 8, "M", 16, 16, 16, "M", 32, 32, 32, "M", 32, 32, 32, "M"]
    theirs = nn.Module()
    theirs.features = torchvision.models.vgg.make_layers(widths)
    layers = [nn.Linear(32 * 9, 64), nn.Linear(64, 64), nn.Linear(64, 10)]
    numbered = dict(zip(("0", "3", "6"), layers, strict=True))
    theirs.classifier = nn.ModuleDict(numbered)
    for a, b in pairwise(p for p in theirs.parameters() if p.ndim > 1):
        nn.init.kaiming_normal_(a)
        nn.init.kaiming_normal_(b)
    ours = narrow(head={"name": "classifier"}, padding="same", fc6_kernel=3, num_classes=10)
    report = transplant(ours, renamed(theirs.state_dict(), ours))
    assert not report.missing
    assert not report.left_out
    image = torch.randint(0, 256, (2, 3, 96, 96), dtype=torch.uint8)
    with torch.no_grad():
        x = theirs.features(ours.normalize(image)).flatten(1)
        expected = layers[2](layers[1](layers[0](x).relu()).relu())
        torch.testing.assert_close(ours(image)[:, :, 0, 0], expected, rtol=1e-4, atol=1e-3)


def test_a_stream_alone_starts_from_a_whole_classifier(narrow):
    alone = narrow(head={"name": "skip", "last": "pool3"}, normalize="torchvision")
    state = fake("vgg16", narrow())
    report = transplant(alone, renamed(state, alone))
    assert report.missing == ["score_pool3.weight", "score_pool3.bias"]
    assert "conv4_1.weight" in report.left_out
    assert torch.equal(alone.backbone.conv3_3.weight, state["features.14.weight"])


def test_weights_of_another_architecture_are_refused(narrow):
    state = fake("alexnet", narrow(backbone="alexnet"))
    with pytest.raises(ValueError, match="convolutions") as error:
        renamed(state, narrow())
    assert str(error.value) == (
        "The weights have 5 convolutions; the backbone has 13. Set `backbone` to the one that they "
        "belong to."
    )


def test_batch_normalized_weights_are_refused(narrow):
    with torch.device("meta"):
        state = torchvision.models.vgg16_bn().state_dict()
    with pytest.raises(ValueError, match="the backbone has 13"):
        renamed(state, narrow())


def test_weights_of_another_size_are_refused(narrow):
    network = narrow()
    state = fake("vgg16", network)
    state["classifier.0.weight"] = torch.zeros(64, 32 * 36)
    with pytest.raises(ValueError, match="fc6") as error:
        transplant(network, renamed(state, network))
    assert str(error.value) == (
        "`fc6.weight`: A fully connected layer over 32 maps of 7 x 7 must have 1568 inputs; got "
        "1152."
    )


@pytest.mark.parametrize("backbone", ["vgg16", "alexnet"])
def test_imagenets_weights_are_read(shared, backbone):
    network = build(
        backbone={"name": backbone, "fc_widths": (8, 8)},
        head={"name": "skip"},
        num_classes=2,
        normalize="torchvision",
    )
    path = shared / "weights" / f"{backbone}_imagenet_features_fp16.pth"
    report = transplant(network, read_weights(path, network))
    assert len(report.copied) == 2 * len(NUMBERS[backbone][0])
    assert not report.left_out


@pytest.mark.parametrize(
    ("normalize", "note"),
    [
        (
            "caffe",
            "was read as converted from Caffe (BGR, 0..255), as normalize=caffe says. If "
            "torchvision trained it, set normalize=torchvision.",
        ),
        (
            "torchvision",
            "was read as trained by torchvision, as normalize=torchvision says. If it was "
            "converted from Caffe (BGR, 0..255), set normalize=caffe.",
        ),
    ],
)
def test_weights_of_caffe_in_torchvisions_layout_are_read_too(narrow, tmp_path, normalize, note):
    network = narrow(normalize=normalize)
    path = tmp_path / "weights.pth"
    state = fake("vgg16", network)
    torch.save(state, path)
    weights = read_weights(path, network)
    assert torch.equal(weights["conv1_1.weight"], state["features.0.weight"])
    assert weights.note == f"{path} {note}"
