"""Winograd's convolutions give what a convolution gives, and their gradients as well."""

from __future__ import annotations

import warnings
from unittest.mock import Mock

import pytest
import torch
import torch.nn.functional as F

from fcn_lightning.models.backbones import vgg16
from fcn_lightning.models.backbones.cpu import WinogradConv2d, ordinary, winograd

FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


@pytest.fixture
def products(monkeypatch):
    """The shapes of the maps' parts in the products that are computed."""
    monkeypatch.setattr(winograd, "FEWEST_KERNELS", 1)
    monkeypatch.setattr(winograd, "FEWEST_POSITIONS", 1)
    shapes, bmm = [], torch.bmm

    def counted(a, b, **out):
        shapes.append(tuple(a.shape))
        return bmm(a, b, **out)

    monkeypatch.setattr(torch, "bmm", counted)
    return shapes


def assert_convolves(layer: WinogradConv2d, x: torch.Tensor) -> None:
    """Compare the output and all gradients with those of `F.conv2d`."""
    expected = F.conv2d(x, layer.weight, layer.bias, padding=1)
    found = layer(x)
    torch.testing.assert_close(found, expected)
    factors = torch.randn_like(expected)
    of = [x, *layer.parameters()]
    for a, b in zip(
        torch.autograd.grad((found * factors).sum(), of),
        torch.autograd.grad((expected * factors).sum(), of),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("tiles", [1, 8, 192])
@pytest.mark.parametrize("memory_format", FORMATS)
@pytest.mark.parametrize(("n", "k"), [(1, 5), (3, 3)])
def test_maps_of_any_size(products, monkeypatch, n, k, memory_format, tiles):
    torch.manual_seed(0)
    monkeypatch.setattr(winograd, "TILES", tiles)
    layer = WinogradConv2d(3, k, 3, padding=1).double().to(memory_format=FORMATS[memory_format])
    assert layer(torch.zeros(0, 3, 4, 5, dtype=torch.float64)).shape == (0, k, 4, 5)
    for h, w in [(1, 1), (1, 6), (2, 2), (3, 4), (5, 9), (8, 1), (10, 7), (13, 12)]:
        x = torch.randn(n, 3, h, w, dtype=torch.float64, requires_grad=True)
        assert_convolves(layer, x)
    assert products[: n + 1] == [*[(16, 1, 3)] * n, (16, 1, k)]
    # 13 rows of 12 pixels: 7 rows of 6 tiles, one at a time or all, for the map and the gradient
    last = {1: [6] * 7, 8: [6] * 7, 192: [42]}[tiles] * n
    assert products[-2 * len(last) :] == [(16, t, c) for c in (3, k) for t in last]


def test_without_a_bias(products):
    layer = WinogradConv2d(3, 5, 3, padding=1, bias=False).double()
    assert_convolves(layer, torch.randn(1, 3, 6, 5, dtype=torch.float64, requires_grad=True))


def test_gradients_that_nobody_needs_are_not_computed(products, monkeypatch):
    layer = WinogradConv2d(3, 5, 3, padding=1)
    of_weight = Mock(side_effect=winograd._weight_gradient)
    monkeypatch.setattr(winograd, "_weight_gradient", of_weight)
    layer(torch.randn(1, 3, 6, 5)).sum().backward()
    assert (len(products), of_weight.call_count) == (1, 1), "the first layer of a network"
    layer.weight.requires_grad_(False)
    layer(torch.randn(1, 3, 6, 5, requires_grad=True)).sum().backward()
    assert (len(products), of_weight.call_count) == (3, 1), "a fixed layer"


def test_gradients_of_gradients(products):
    layer = WinogradConv2d(2, 3, 3, padding=1).double()
    x = torch.randn(1, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(layer, (x,))
    assert products


def test_a_backward_pass_in_bfloat16_of_a_forward_pass_in_float32(products):
    layer = WinogradConv2d(3, 5, 3, padding=1)
    loss = layer(torch.randn(1, 3, 6, 5, requires_grad=True)).sum()
    with torch.autocast("cpu", torch.bfloat16):
        loss.backward()
    assert layer.weight.grad.dtype == torch.float32


def test_transformed_recorded_and_ordinary_passes_are_convolved(products):
    layer = WinogradConv2d(3, 5, 3, padding=1)
    images = torch.randn(4, 1, 3, 6, 5)
    mapped = torch.func.vmap(layer)(images)
    with warnings.catch_warnings(action="ignore"):  # deprecated, and still used
        traced = torch.jit.trace(layer, images[0], check_trace=False)
    program = torch.export.export(layer, (images[0],)).module()
    with ordinary():
        whole = layer(images.flatten(0, 1))
    torch.testing.assert_close(mapped.flatten(0, 1), whole)
    torch.testing.assert_close(traced(images[1]), whole[1:2])
    torch.testing.assert_close(program(images[1]), whole[1:2])
    assert products == []
    torch.testing.assert_close(layer(images.flatten(0, 1)), whole)
    assert len(products) == 4


def test_a_convolution_by_hand(products):
    """The one pixel of the kernel that is not 0 reads the pixel above on the left, times 3."""
    layer = WinogradConv2d(1, 1, 3, padding=1)
    with torch.no_grad():
        layer.weight.zero_()[0, 0, 0, 0] = 3
        layer.bias.fill_(0.5)
    found = layer(torch.arange(9.0).view(1, 1, 3, 3))
    assert found.tolist() == [[[[0.5, 0.5, 0.5], [0.5, 0.5, 3.5], [0.5, 9.5, 12.5]]]]
    assert products == [(16, 4, 1)]


def test_roundings_in_float32():
    """At the width of conv4_2. torch's convolution in channels_last is up to 2e-6 from float64."""
    torch.manual_seed(0)
    layer = WinogradConv2d(512, 64, 3, padding=1)
    x = torch.randn(1, 512, 48, 44).relu().to(memory_format=torch.channels_last)
    assert layer._is_tiled(x)
    exact = F.conv2d(x.double(), layer.weight.double(), layer.bias.double(), padding=1)
    with torch.no_grad():
        error = float((layer(x) - exact).abs().max() / exact.abs().max())
    assert 0 < error < 1e-6


@pytest.mark.parametrize(
    "arguments",
    [
        {"kernel_size": 5, "padding": 2},
        {"kernel_size": 3, "padding": 0},
        {"kernel_size": 3, "padding": 1, "stride": 2},
        {"kernel_size": 3, "padding": 1, "groups": 2},
        {"kernel_size": 3, "padding": 1, "padding_mode": "reflect"},
        {"kernel_size": 3, "padding": 1, "dtype": torch.bfloat16},
    ],
    ids=str,
)
def test_other_kernels_are_convolved(products, arguments):
    layer = WinogradConv2d(4, 6, **arguments)
    assert layer(torch.zeros(1, 4, 12, 12, dtype=layer.weight.dtype)).shape[1] == 6
    assert products == []


def test_small_maps_few_channels_and_bfloat16_are_convolved():
    with torch.device("meta"):
        backbone = vgg16()
    tiled = {
        name: layer._is_tiled(torch.empty(1, layer.in_channels, h, w))
        for name, h, w in [  # the maps of an image of 375 x 500
            ("conv2_2", 207, 269),
            ("conv3_1", 120, 151),
            ("conv3_3", 120, 151),
            ("conv4_1", 72, 88),
            ("conv4_3", 72, 88),
            ("conv5_1", 36, 44),
        ]
        for layer in [backbone.get_submodule(name)]
    }
    assert [name for name, is_tiled in tiled.items() if is_tiled] == [
        "conv3_1", "conv3_3", "conv4_1", "conv4_3",
    ]  # fmt: skip
    with torch.autocast("cpu", torch.bfloat16):
        assert not backbone.conv4_3._is_tiled(torch.empty(1, 512, 72, 88))
    assert not backbone.conv4_3._is_tiled(torch.empty(1, 512, 72, 88, device="meta"))
