"""Kernels and crops of the reference's networks, typed in from its net.py."""

import pytest
import torch

from fcn_lightning.models import (
    build,
    fcn4s,
    fcn8s,
    fcn8s_at_once,
    fcn16s,
    fcn32s,
    fcn_alexnet,
    fcn_googlenet,
)

THIN = {"widths": (1,) * 5, "fc_widths": (1, 1)}
THIN_GOOGLENET = {"stem": (1, 1, 1), "inceptions": ((1,) * 6,) * 9}


@pytest.mark.parametrize(
    ("network", "kernels", "crops"),
    [
        (fcn32s, {"upscore": 64}, [(19, 0)]),
        (fcn16s, {"upscore2": 4, "upscore16": 32}, [(0, 5), (27, 0)]),
        (
            fcn8s,
            {"upscore2": 4, "upscore_pool4": 4, "upscore8": 16},
            [(0, 5), (0, 9), (31, 0)],
        ),
        (
            fcn8s_at_once,
            {"upscore2": 4, "upscore_pool4": 4, "upscore8": 16},
            [(0, 5), (0, 9), (31, 0)],
        ),
        (
            fcn4s,
            {"upscore2": 4, "upscore_pool4": 4, "upscore_pool3": 4, "upscore4": 8},
            [(0, 5), (0, 9), (0, 17), (33, 0)],
        ),
        (fcn_alexnet, {"upscore": 63}, [(18, 0)]),
    ],
)
def test_kernels_and_crops_are_the_references(network, kernels, crops):
    head = network(widths=(2,) * 5, fc_widths=(2, 2)).head
    assert {name: head.get_submodule(name).kernel.shape for name in head.crops} == {
        name: (side, side) for name, side in kernels.items()
    }
    assert list(head.crops.values()) == crops


def test_googlenet_has_an_odd_kernel_and_hardly_a_crop():
    """Pixel i lies at 32 i + 30, half a kernel of 63 is 31: the map starts one pixel outside."""
    head = fcn_googlenet(**THIN_GOOGLENET).head
    assert head.upscore.kernel.shape == (63, 63)
    assert head.crops == {"upscore": (1, 0)}


@pytest.mark.parametrize(
    ("network", "head"),
    [
        (fcn32s, {"skips": ()}),
        (fcn16s, {"skips": ("pool4",)}),
        (fcn8s, {"skips": ("pool4", "pool3")}),
        (fcn8s_at_once, {"skips": ("pool4", "pool3"), "scales": (0.01, 0.0001)}),
        (fcn4s, {"skips": ("pool4", "pool3", "pool2")}),
    ],
)
def test_they_are_what_build_makes(network, head):
    backbone = {"name": "vgg16", "widths": (2, 2, 3, 4, 4), "fc_widths": (8, 8)}
    built = build(backbone=backbone, head=head, num_classes=5, normalize="torchvision").eval()
    arguments = {name: value for name, value in backbone.items() if name != "name"}
    named = network(num_classes=5, normalize="torchvision", **arguments).eval()
    for parameter in built.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    named.load_state_dict(built.state_dict())
    image = torch.randint(0, 256, (1, 3, 33, 45), dtype=torch.uint8)
    with torch.no_grad():
        assert torch.equal(named(image), built(image))
        assert built(image).std() > 0


@pytest.mark.parametrize(
    ("network", "count"),
    [(fcn32s, 134_346_581), (fcn16s, 134_357_354), (fcn8s, 134_362_751)],
)
def test_defaults_are_vgg16_and_21_classes(network, count):
    with torch.device("meta"):
        made = network()
    assert sum(parameter.numel() for parameter in made.parameters()) == count
    assert made.description["backbone"] == {"name": "vgg16"}
    assert made.description["normalize"] == "caffe"


@pytest.mark.parametrize(
    ("backbone", "arguments", "skips"),
    [
        ("caffenet", {"widths": (2,) * 5, "fc_widths": (2, 2)}, ("pool2", "pool1")),
        ("alexnet", THIN, ("pool2", "pool1")),
        ("googlenet", THIN_GOOGLENET, ("pool3", "pool2")),
    ],
)
def test_other_backbones_skip_from_the_endpoints_of_stride_16_and_8(backbone, arguments, skips):
    network = fcn8s(backbone=backbone, **arguments)
    assert network.head.skips == skips
    assert [network.backbone.endpoints[skip].grid.stride for skip in skips] == [16, 8]


def test_a_backbone_without_an_endpoint_of_stride_4_has_no_fcn4s():
    with pytest.raises(ValueError, match="stride 4") as error:
        fcn4s(backbone="alexnet", **THIN)
    assert str(error.value) == "alexnet has no endpoint of stride 4 to skip from."


def test_an_unknown_backbone_is_refused_by_build():
    with pytest.raises(ValueError, match=r"^`backbone\.name` must be one of .*; got 'vgg61'\."):
        fcn16s(backbone="vgg61")
