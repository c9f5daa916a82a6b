import numpy as np
import pytest
import torch

from fcn_lightning.models import build, transplant
from fcn_lightning.models.normalize import NORMALIZATIONS, Normalize
from fcn_lightning.models.surgery import with_suffix

COLOR_HHA = {"normalize": {"color": "nyud_color", "hha": "nyud_hha"}, "fusion": "late"}
COLOR_D = {"normalize": {"color": "nyud_color", "depth": "nyud_depth"}, "fusion": "early"}


def pixels(channels=3, size=(40, 60), low=0):
    return torch.randint(low, 256, (1, channels, *size), dtype=torch.uint8)


@pytest.mark.parametrize("skips", [(), ("pool4",)])
def test_late_fusion_is_the_mean_of_two_networks(narrow, skips):
    late = narrow(skips, num_classes=40, **COLOR_HHA)
    image = {"color": pixels(), "hha": pixels()}
    scores = []
    for modality, normalization in COLOR_HHA["normalize"].items():
        one = narrow(skips, num_classes=40, normalize=normalization)
        own = late.branches[modality].state_dict()
        trained = {name.replace(modality, ""): value for name, value in own.items()}
        report = transplant(one, trained)
        assert not report.missing
        with torch.no_grad():
            scores.append(one(image[modality]))
    with torch.no_grad():
        torch.testing.assert_close(late(image), sum(scores) / 2, atol=1e-5, rtol=1e-5)


def test_layers_of_late_fusion_are_named_by_modality(narrow):
    names = [
        name.rpartition(".")[0].rpartition(".")[2] for name in narrow(**COLOR_HHA).state_dict()
    ]
    assert {"conv1_1color", "fc7color", "score_frcolor", "conv1_1hha", "score_frhha"} <= set(names)


def test_late_fusion_starts_from_two_networks(narrow):
    sources = {modality: narrow() for modality in ("color", "hha")}
    late, start = narrow(**COLOR_HHA), {}
    for modality, source in sources.items():
        start |= with_suffix(source.state_dict(), modality)
    assert not transplant(late, start).missing
    for modality, source in sources.items():
        kept = late.branches[modality].backbone.get_submodule(f"fc6{modality}").weight
        assert torch.equal(kept, source.backbone.fc6.weight)


def test_early_fusion_concatenates_the_channels_of_all_modalities(narrow):
    network = narrow(num_classes=40, **COLOR_D)
    seen = []
    network.backbone.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    color = torch.tensor([10, 20, 30], dtype=torch.uint8).view(1, 3, 1, 1).expand(1, 3, 9, 9)
    depth = torch.full((1, 1, 9, 9), 2550, dtype=torch.int32)
    assert network({"color": color, "depth": depth}).shape == (1, 40, 9, 9)
    expected = [30 - 116.190, 20 - 97.203, 10 - 92.318, np.log(2550) - 7.844]
    assert seen[0][0, :, 4, 4].tolist() == pytest.approx(expected, abs=1e-4)


def test_a_missing_depth_counts_as_one():
    depth = torch.tensor([0, 1], dtype=torch.int32).view(1, 1, 1, 2)
    normalized = Normalize(NORMALIZATIONS["nyud_depth"])(depth)
    assert normalized.flatten().tolist() == pytest.approx([-7.844, -7.844])


def test_hha_keeps_its_order_of_channels():
    image = torch.tensor([1, 2, 3], dtype=torch.uint8).view(1, 3, 1, 1)
    normalized = Normalize(NORMALIZATIONS["nyud_hha"])(image).flatten().tolist()
    assert normalized == pytest.approx([1 - 132.431, 2 - 94.076, 3 - 118.477], abs=1e-4)


def test_the_depth_filter_is_initialized_as_the_mean_of_the_colors(narrow):
    vgg, network = narrow(), narrow(**COLOR_D)
    report = transplant(network, vgg.state_dict())
    assert not report.missing
    assert not report.left_out
    weight, first = network.backbone.conv1_1_bgrd.weight, vgg.backbone.conv1_1.weight
    assert torch.equal(weight[:, :3], first)
    np.testing.assert_allclose(
        weight[:, 3].detach(), first.detach().numpy().mean(1), rtol=1e-5, atol=1e-7
    )
    assert torch.equal(network.backbone.conv1_1_bgrd.bias, vgg.backbone.conv1_1.bias)


def test_a_network_of_depth_alone_starts_from_the_mean_of_the_colors(narrow):
    vgg, network = narrow(), narrow(normalize="nyud_depth")
    report = transplant(network, vgg.state_dict())
    assert not report.missing
    assert not report.left_out
    weight, first = network.backbone.conv1_1.weight, vgg.backbone.conv1_1.weight
    np.testing.assert_allclose(
        weight.detach(), first.detach().numpy().mean(1)[:, None], rtol=1e-5, atol=1e-7
    )
    again = narrow(normalize="nyud_depth")
    transplant(again, network.state_dict())
    assert torch.equal(again.backbone.conv1_1.weight, weight)


def test_each_of_two_heads_scores_the_same_backbone(narrow):
    both = narrow(("pool4",), num_classes={"sem": 33, "geo": 3}, normalize="siftflow")
    image = pixels()
    with torch.no_grad():
        scores = both(image)
    for head, classes in {"sem": 33, "geo": 3}.items():
        one = narrow(("pool4",), num_classes=classes, normalize="siftflow")
        own = {name: value for name, value in both.state_dict().items() if f"_{head}." in name}
        renamed = {name.replace(f"_{head}.", "."): value for name, value in own.items()}
        transplant(one, {**both.backbone.state_dict(), **renamed})
        with torch.no_grad():
            assert torch.equal(one(image), scores[head])


@pytest.mark.parametrize("arguments", [COLOR_HHA, COLOR_D])
def test_description_builds_the_same_network_again(narrow, arguments):
    network = narrow(**arguments)
    again = build(**network.description).eval()
    again.load_state_dict(network.state_dict())
    channels = {"color": 3, "hha": 3, "depth": 1}
    image = {name: pixels(channels[name], low=1) for name in arguments["normalize"]}
    assert torch.equal(again(image), network(image))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"normalize": {"color": "caffe", "hha": "nyud_hha"}},
            "`fusion` must be early or late if `normalize` names several modalities, and null if "
            "it names one; got None and {'color': 'caffe', 'hha': 'nyud_hha'}.",
        ),
        (
            {"fusion": "late"},
            "`fusion` must be early or late if `normalize` names several modalities, and null if "
            "it names one; got 'late' and 'caffe'.",
        ),
        (
            {"image_scale": 0.5, **COLOR_HHA},
            "`image_scale` must be 1 with several networks or heads; got 0.5.",
        ),
        (
            {"backbone": {"name": "alexnet"}, **COLOR_D},
            "Wrong arguments of 'alexnet' in `backbone`: alexnet() got an unexpected keyword "
            "argument 'in_channels'.",
        ),
    ],
)
def test_build_refuses(arguments, message):
    network = {"backbone": {"name": "vgg16"}, "head": {}, "num_classes": 2, **arguments}
    with torch.device("meta"), pytest.raises(ValueError, match=r".") as error:
        build(**network)
    assert str(error.value) == message


@pytest.mark.parametrize(("arguments", "other"), [(COLOR_HHA, "hha"), (COLOR_D, "depth")])
def test_each_modality_must_be_there(narrow, arguments, other):
    with pytest.raises(ValueError, match="needs an image for each") as error:
        narrow(**arguments)({"color": pixels()})
    assert str(error.value) == (
        f"The network needs an image for each of color, {other}; got color."
    )
