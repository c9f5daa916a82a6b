"""Layers in strips of rows give what they give on the whole map."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook

from fcn_lightning.models.backbones.border import convolved
from fcn_lightning.models.backbones.cpu import in_strips, strips
from thin import THIN, chain


@pytest.fixture
def heights(monkeypatch):
    """The rows of each map that a convolution makes for a strip."""
    made: list[int] = []

    def counted(*arguments) -> Tensor:
        out = convolved(*arguments)
        made.append(out.shape[2])
        return out

    monkeypatch.setattr(strips, "convolved", counted)
    return made


@pytest.mark.parametrize("rows", [1, 5, 16])
@pytest.mark.parametrize("padding", [100, "same"])
@pytest.mark.parametrize("name", THIN)
def test_endpoints_are_those_of_whole_maps(heights, monkeypatch, name, padding, rows):
    monkeypatch.setattr(strips, "ROWS", rows)
    backbone = chain(name, padding=padding)
    for h, w in [(64, 65), (101, 72), (83, 130)]:
        image = torch.randn(2, 3, h, w, dtype=torch.float64)
        whole = backbone(image)
        assert heights == []
        with torch.no_grad():
            found = backbone(image)
        if padding == "same":  # with 100, a part of the border is left out
            convolutions = 2 if name == "vgg16" else 1
            assert len(heights) == convolutions * math.ceil(whole["pool1"].shape[2] / rows)
        assert heights
        heights.clear()
        for endpoint, expected in whole.items():
            torch.testing.assert_close(found[endpoint], expected)


def test_strips_of_an_image_of_375_x_500(heights):
    """pool1 has 195 rows, of which 16 need 32 rows of conv1_2 and 34 of conv1_1."""
    backbone = chain("vgg16")
    with torch.no_grad():
        backbone(torch.zeros(1, 3, 375, 500, dtype=torch.float64))
    assert heights == [33, 32, *[34, 32] * 11, 6, 5]


@pytest.mark.parametrize("register", ["register_forward_hook", "register_forward_pre_hook"])
def test_a_hook_sees_the_whole_map(heights, register):
    backbone, seen = chain("vgg16"), []
    getattr(backbone.pool1, register)(lambda _, given, *out: seen.append(given[0].shape[2]))
    with torch.inference_mode():
        backbone(torch.zeros(1, 3, 375, 500, dtype=torch.float64))
    assert (seen, heights) == ([389], [])


def test_a_hook_of_all_modules_sees_whole_maps(heights):
    backbone, seen = chain("vgg16"), []
    with torch.no_grad(), register_module_forward_hook(lambda layer, _, out: seen.append(layer)):
        backbone(torch.zeros(1, 3, 40, 50, dtype=torch.float64))
    assert backbone.conv1_2 in seen
    assert heights == []


@pytest.mark.parametrize(
    "change",
    [
        lambda backbone: setattr(backbone, "narrow_border", False),
        lambda backbone: setattr(backbone.conv1_1, "padding", (96, 60)),
        lambda backbone: setattr(backbone, "relu1_1", nn.GELU()),
        lambda backbone: setattr(backbone, "conv1_2", type("Own", (nn.Conv2d,), {})(2, 2, 3)),
        lambda backbone: setattr(backbone, "conv1_2", nn.Conv2d(2, 2, 3, padding=5)),
        lambda backbone: setattr(backbone, "conv1_2", nn.Conv2d(2, 2, 3, padding=(1, 2))),
        lambda backbone: setattr(backbone, "pool1", nn.MaxPool2d(3, 2, padding=1)),
        lambda backbone: setattr(backbone, "pool1", nn.MaxPool2d(2, 3)),
    ],
    ids=[
        "switched off", "another padding", "GELU", "a class of one's own", "wide padding",
        "uneven padding", "padded pooling", "pooling with gaps",
    ],
)  # fmt: skip
def test_other_layers_make_whole_maps(heights, change):
    backbone = chain("vgg16")
    change(backbone)
    backbone.double()
    with torch.no_grad():
        backbone(torch.zeros(1, 3, 61, 130, dtype=torch.float64))
    assert heights == []


def test_passes_that_are_transformed_or_keep_gradients_make_whole_maps(heights):
    backbone, images = chain("vgg16"), torch.zeros(2, 1, 3, 40, 50, dtype=torch.float64)
    backbone(images[0])
    with torch.no_grad():
        torch.func.vmap(backbone)(images)
    assert heights == []


def test_dilated_layers_in_groups():
    torch.manual_seed(0)
    layers = [
        nn.Conv2d(4, 6, 5, stride=2, padding=3, bias=False),
        nn.LocalResponseNorm(3),
        nn.Conv2d(6, 9, 3, padding=4, dilation=2, groups=3),
        nn.MaxPool2d(3, 2, ceil_mode=True),
    ]
    image = torch.randn(2, 4, 111, 30)
    with torch.no_grad():
        expected = nn.Sequential(*layers)(image)
        found = in_strips(layers, F.pad(image, (3, 3, 3, 3)))
    assert expected.shape[2] > 16
    torch.testing.assert_close(found, expected)
