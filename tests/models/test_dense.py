"""Dense evaluation in float64 on narrow networks with random weights.

`last` cuts a backbone off after a layer: shift-and-stitch takes stride x stride passes, and VGG-16
up to pool4 has all kinds of its layers at stride 16. Whole networks are slow tests.
"""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

from fcn_lightning.models.backbones import BACKBONES, Chain
from fcn_lightning.models.dense import (
    DenseMap,
    a_trous,
    patch_by_patch,
    shift_and_stitch,
    whole_image,
)
from fcn_lightning.models.geometry import Grid, Window

NARROW = {"widths": (2, 4, 4, 6, 6), "fc_widths": (8, 8)}
BUILT = {
    "vgg16": {**NARROW, "fc6_kernel": 3},
    "alexnet": NARROW,
    "caffenet": NARROW,
    "googlenet": {"stem": (2, 2, 3), "inceptions": ((2,) * 6,) * 9},
}
EXACT = 1e-11
"""Outputs have values of about 1 to 100."""


def network(name, padding="same", last=None):
    """A backbone; GoogLeNet ends after two blocks at stride 16, unless `last` says otherwise."""
    layers = BACKBONES[name](padding=padding, **BUILT[name]).named_children()
    kept, last = [], last or {"googlenet": "inception_4b"}.get(name, "drop7")
    for layer in layers:
        kept.append(layer)
        if layer[0] == last:
            break
    chain = Chain(kept, last="map").double().eval()
    for layer in chain.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.bias, std=0.1)
    return chain


def picture(h, w):
    return 10 * torch.randn(1, 3, h, w, dtype=torch.float64)


def field(chain):
    return int(list(chain.endpoints.values())[-1].grid.receptive_field)


@torch.no_grad()
def differences(chain, dense, margins=(5, 9)):
    """The largest absolute differences of two ways inside an image, after checks of the shapes."""
    h, w = (field(chain) + margin for margin in margins)
    image = picture(h, w)
    one, other = (way(chain, image).inside(h, w) for way in dense)
    assert one.grid == other.grid
    assert one.values.shape == other.values.shape
    assert one.values.numel() > 0
    assert one.values.std() > 1e-3
    return float((one.values - other.values).abs().max())


def rarefied(chain, image, stride=1):
    return whole_image(a_trous(chain, stride), image)


def patches(chain, image, stride=1):
    return patch_by_patch(chain, image, stride)


@pytest.mark.parametrize(
    ("name", "last"), [("vgg16", "pool4"), ("alexnet", "relu5"), ("caffenet", "relu5")]
)
def test_shift_and_stitch_is_a_trous(name, last):
    assert differences(network(name, last=last), (rarefied, shift_and_stitch)) < EXACT


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vgg16", "caffenet"])
def test_shift_and_stitch_is_a_trous_on_whole_networks(name):
    chain = network(name)
    if name == "vgg16":
        chain = BACKBONES[name](padding="same", **NARROW).double().eval()
        assert field(chain) == 404
    assert differences(chain, (rarefied, shift_and_stitch)) < EXACT


@pytest.mark.parametrize("padding", ["same", 100])
@pytest.mark.parametrize("name", list(BUILT))
def test_a_trous_is_patch_by_patch(name, padding):
    assert differences(network(name, padding), (rarefied, patches), margins=(1, 2)) < EXACT


@pytest.mark.parametrize("name", list(BUILT))
def test_a_network_is_patch_by_patch_at_its_own_stride(name):
    def each(chain, image):
        return patch_by_patch(chain, image, batch=2)

    assert differences(network(name), (whole_image, each), margins=(40, 70)) < EXACT


@pytest.mark.parametrize("stride", [2, 4, 8, 16, 32])
def test_a_trous_of_other_strides_is_patch_by_patch(stride):
    chain = network("caffenet")
    assert int(list(a_trous(chain, stride).endpoints.values())[-1].grid.stride) == stride
    ways = [lambda *given, way=way: way(*given, stride) for way in (rarefied, patches)]
    assert differences(chain, ways, margins=(stride, 32)) < EXACT


@pytest.mark.parametrize("name", list(BUILT))
def test_a_trous_at_the_strides_own_pixels_is_the_network_up_to_the_left_border(name):
    """Padding grows with dilation, so the first pixels agree, unlike those of shifted images."""
    chain, size = network(name), field(network(name)) + 40
    image = picture(size, size)
    with torch.no_grad():
        own, dense = whole_image(chain, image), rarefied(chain, image)
    stride, stop = int(own.grid.stride), own.grid.inside(size).stop
    assert stop > 1
    difference = dense.values[:, :, ::stride, ::stride][:, :, :stop, :stop]
    difference = difference - own.values[:, :, :stop, :stop]
    assert difference.abs().max() < EXACT


def test_a_wrong_shift_fails():
    def wrong(chain, image):
        values, grid = shift_and_stitch(chain, image)
        return DenseMap(values.roll(1, dims=3), grid)

    assert differences(network("caffenet", last="relu5"), (rarefied, wrong)) > 1e-3


def test_transposed_shifts_fail():
    def wrong(chain, image):
        values, grid = shift_and_stitch(chain, image)
        n, c, h, w = values.shape
        cells = values.view(n, c, h // 16, 16, w // 16, 16).transpose(3, 5)
        return DenseMap(cells.reshape(n, c, h, w), grid)

    assert differences(network("caffenet", last="relu5"), (rarefied, wrong)) > 1e-3


@pytest.mark.parametrize(("name", "layer"), [("vgg16", "conv4_2"), ("caffenet", "conv3")])
def test_a_missing_dilation_fails(name, layer):
    def wrong(chain, image):
        dense = a_trous(chain)
        spoiled = dense.get_submodule(layer)
        assert spoiled.dilation != (1, 1)
        spoiled.dilation = spoiled.padding = (1, 1)
        return whole_image(dense, image)

    assert differences(network(name), (wrong, patches), margins=(1, 2)) > 1e-3


def test_padding_that_a_receptive_field_meets_differs():
    """Beyond the compared region, the ways differ."""
    chain = network("vgg16", last="pool4")
    side = field(chain) + 5
    image = picture(side, side)
    with torch.no_grad():
        one, other = rarefied(chain, image), shift_and_stitch(chain, image)
    before = int(one.grid.offset - other.grid.offset)
    row = one.grid.inside(side).start
    values = [one.values[..., :row, row], other.values[..., before : before + row, before + row]]
    assert (values[0] - values[1]).abs().max() > 1e-3


def test_filters_are_enlarged_and_strides_removed():
    layers = dict(a_trous(network("caffenet")).named_children())
    assert {
        name: (layer.stride, layer.dilation)
        for name, layer in layers.items()
        if isinstance(layer, nn.Conv2d)
    } == {
        "conv1": ((1, 1), (1, 1)),
        "conv2": ((1, 1), (8, 8)),
        "conv3": ((1, 1), (16, 16)),
        "conv4": ((1, 1), (16, 16)),
        "conv5": ((1, 1), (16, 16)),
        "fc6": ((1, 1), (32, 32)),
        "fc7": ((1, 1), (32, 32)),
    }
    pools = [layers[f"pool{i}"] for i in (1, 2, 5)]
    assert [(pool.stride, pool.dilation) for pool in pools] == [(1, 4), (1, 8), (1, 16)]


def test_a_rarefied_filter_is_the_papers():
    """f'(i, j) = f(i / s, j / s) where s divides i and j, else 0; NumPy, one channel, no bias."""
    first, second = nn.MaxPool2d(2, 2), nn.Conv2d(3, 1, 3, bias=True)
    chain = Chain([("pool1", first), ("conv2", second)], last="conv2").double().eval()
    image = picture(9, 10)
    with torch.no_grad():
        dense = whole_image(a_trous(chain), image).values[0, 0].numpy()
    pixels, kernel = image[0].numpy(), second.weight[0].detach().numpy()
    shifted = [pixels[:, y : 8 + y, x : 9 + x] for y, x in product(range(2), range(2))]
    pooled, rarefied_kernel = np.max(shifted, axis=0), np.zeros((3, 5, 5))
    rarefied_kernel[:, ::2, ::2] = kernel
    expected = [
        [(pooled[:, y : y + 5, x : x + 5] * rarefied_kernel).sum() for x in range(5)]
        for y in range(4)
    ]
    assert np.abs(dense - np.array(expected)).max() < 1e-13


def test_a_trous_keeps_names_weights_mode_and_the_original():
    chain = BACKBONES["vgg16"](suffix="hha", **NARROW)
    dense = a_trous(chain, 8)
    assert list(dense.endpoints) == list(chain.endpoints)
    assert {name: int(e.grid.stride) for name, e in dense.endpoints.items()} == {
        "pool1": 2, "pool2": 4, "pool3": 8, "pool4": 8, "pool5": 8, "fc7": 8,
    }  # fmt: skip
    assert [e.grid.offset for e in dense.endpoints.values()] == [
        e.grid.offset for e in chain.endpoints.values()
    ]
    state = chain.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in dense.state_dict().items())
    assert dense.training
    assert not a_trous(chain.eval()).training
    assert chain.get_submodule("pool5hha").stride == 2


def test_inside_of_an_image_below_the_receptive_field_is_empty():
    values = torch.zeros(1, 1, 4, 4)
    cropped = DenseMap(values, Grid(Fraction(0), Fraction(1), Fraction(99))).inside(4, 4)
    assert cropped.values.numel() == 0


def test_patches_need_an_image_of_the_size_of_the_receptive_field():
    with pytest.raises(ValueError, match="receptive field") as error:
        patch_by_patch(network("vgg16"), picture(275, 300))
    assert str(error.value) == (
        "An image must have the size of the receptive field, 276 x 276, or more; got 275 x 300."
    )
    with pytest.raises(ValueError, match=r"^`stride` must be 1 or more; got 0\.$"):
        patch_by_patch(network("vgg16"), picture(300, 300), stride=0)


@pytest.mark.parametrize("stride", [0, 3, 64])
def test_a_stride_must_divide_the_networks(stride):
    with pytest.raises(ValueError, match=rf"^`stride` must be a divisor of 32; got {stride}\.$"):
        a_trous(network("vgg16"), stride)


def test_a_block_with_a_stride_is_refused():
    block = nn.Sequential(nn.Conv2d(3, 2, 3, 2), nn.Conv2d(2, 2, 1))
    block.window = Window(3, 2)
    with pytest.raises(TypeError, match="stride 1") as error:
        a_trous(Chain([("block", block)], last="block"))
    assert str(error.value) == (
        "The stride of the block `block`, 2, cannot be removed. A block of several layers must "
        "have stride 1."
    )
