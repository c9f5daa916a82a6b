import numpy as np
import pytest
import torch
from torch import nn

from fcn_lightning.models import build
from fcn_lightning.models.backbones import googlenet
from fcn_lightning.models.backbones.googlenet import Inception
from fcn_lightning.models.geometry import Window

THIN = {"stem": (2, 2, 3), "inceptions": ((1, 1, 2, 1, 1, 1),) * 9}


def test_parameters_are_the_published_nets():
    """6,998,552 with the classifier's 1,025,000 (BVLC GoogLeNet without auxiliary classifiers)."""
    with torch.device("meta"):
        count = sum(parameter.numel() for parameter in googlenet().parameters())
    assert count == 6_998_552 - 1_025_000


def test_receptive_fields_are_table_1s():
    """907 with the average pooling that the paper discards, 715 without (CVPR 2015, Table 1)."""
    grid = googlenet(**THIN).endpoints["inception_5b"].grid
    assert grid.receptive_field == 715
    assert grid.after(Window(7)).receptive_field == 907
    assert grid.stride == 32


def test_endpoints_and_their_strides():
    endpoints = googlenet().endpoints
    assert {name: (e.channels, int(e.grid.stride)) for name, e in endpoints.items()} == {
        "pool1": (64, 4),
        "pool2": (192, 8),
        "pool3": (480, 16),
        "pool4": (832, 32),
        "inception_5b": (1024, 32),
    }


def test_an_inception_concatenates_four_branches():
    block = Inception("inception_3a", 3, (2, 2, 3, 1, 2, 1)).eval()
    x = torch.randn(1, 3, 9, 11)
    layer = {name.partition("/")[2]: module for name, module in block.named_children()}
    relu, pooled = nn.functional.relu, nn.functional.max_pool2d(x, 3, 1, 1)
    with torch.no_grad():
        expected = [
            relu(layer["1x1"](x)),
            relu(layer["3x3"](relu(layer["3x3_reduce"](x)))),
            relu(layer["5x5"](relu(layer["5x5_reduce"](x)))),
            relu(layer["pool_proj"](pooled)),
        ]
        assert torch.equal(block(x), torch.cat(expected, 1))


@pytest.mark.parametrize("padding", ["same", 100])
def test_any_size_is_scored_whole(padding):
    network = build(
        backbone={"name": "googlenet", "padding": padding, **THIN}, head={}, num_classes=2
    ).eval()
    with torch.no_grad():
        for side in (1, 2, 30, 31, 32, 33, 63, 64, 65, 97, 224, 225, 375, 500):
            assert network(torch.zeros(1, 3, side, 40)).shape == (1, 2, side, 40)


def test_scores_lie_where_the_image_is():
    """A bright point changes the scores around itself: no shift between map and image."""
    network = build(backbone={"name": "googlenet", **THIN}, head={}, num_classes=1).eval()
    for name, parameter in network.named_parameters():
        nn.init.constant_(parameter, 0.1 if name.endswith("weight") else 0.0)
    network.normalize = nn.Identity()
    image = torch.zeros(1, 3, 320, 320)
    image[..., 160, 160] = 1.0
    with torch.no_grad():
        scores = network(image)[0, 0].numpy()
    rows, columns = np.indices(scores.shape)
    center = (rows * scores).sum() / scores.sum(), (columns * scores).sum() / scores.sum()
    assert center == pytest.approx((160, 160), abs=16)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"stem": (1, 1)},
            r"googlenet needs three widths in `stem` and six in each of nine `inceptions`.*",
        ),
        ({"padding": 3}, r"`padding` must be 100 or 'same'; got 3\."),
        ({"dropout": 1.0}, r"`dropout` must be 0 or more and below 1; got 1\.0\."),
    ],
)
def test_googlenet_refuses(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        googlenet(**{**THIN, **arguments})
