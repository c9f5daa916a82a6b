"""fc6 as a matrix product gives what a convolution gives."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from fcn_lightning.models.backbones import vgg16
from fcn_lightning.models.backbones.cpu import LargeKernelConv2d, large_kernel
from fcn_lightning.models.geometry import window_of

FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


@pytest.fixture
def products(monkeypatch):
    """The shapes of the products that are computed."""
    monkeypatch.setattr(large_kernel, "FEWEST_WEIGHTS", 1)
    shapes, addmm = [], torch.addmm

    def counted(bias, a, b):
        shapes.append((*a.shape, b.shape[1]))
        return addmm(bias, a, b)

    monkeypatch.setattr(torch, "addmm", counted)
    return shapes


@pytest.mark.parametrize("memory_format", FORMATS)
@pytest.mark.parametrize(
    "arguments",
    [{}, {"padding": 3}, {"dilation": 2, "padding": 6}, {"stride": 2}, {"bias": False}],
    ids=str,
)
@pytest.mark.parametrize("n", [1, 3])
def test_maps_and_gradients_are_those_of_a_convolution(products, arguments, memory_format, n):
    torch.manual_seed(0)
    layer = LargeKernelConv2d(4, 6, 7, **arguments).double()
    layer = layer.to(memory_format=FORMATS[memory_format])
    x = torch.randn(n, 4, 14, 17, dtype=torch.float64, requires_grad=True)
    settings = layer.stride, layer.padding, layer.dilation
    expected = F.conv2d(x, layer.weight, layer.bias, *settings)
    found = layer(x)
    assert products == [(6, 4 * 7 * 7, expected[:, 0].numel())]
    torch.testing.assert_close(found, expected)
    of = [x, *layer.parameters()]
    factors = torch.randn_like(expected)
    for a, b in zip(
        torch.autograd.grad((found * factors).sum(), of),
        torch.autograd.grad((expected * factors).sum(), of),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize(
    ("weights", "positions", "size"), [(1, 1024, 39), (1177, 64, 14), (1, 63, 14)]
)
def test_small_kernels_and_large_maps_are_convolved(
    products, monkeypatch, weights, positions, size
):
    """6 x 4 x 7 x 7 = 1176 weights; 33 x 33 = 1089 positions, and 8 x 8 = 64."""
    monkeypatch.setattr(large_kernel, "FEWEST_WEIGHTS", weights)
    monkeypatch.setattr(large_kernel, "MOST_POSITIONS", positions)
    assert LargeKernelConv2d(4, 6, 7)(torch.randn(1, 4, size, size)).shape[2] == size - 6
    assert products == []


def test_a_batch_of_no_images_and_reflected_borders_are_convolved(products):
    assert LargeKernelConv2d(4, 6, 7)(torch.zeros(0, 4, 14, 17)).shape == (0, 6, 8, 11)
    layer = LargeKernelConv2d(4, 6, 7, padding=3, padding_mode="reflect")
    ones = torch.ones(1, 4, 14, 17)
    torch.testing.assert_close(layer(ones)[0, :, 0, 0], layer.weight.sum((1, 2, 3)) + layer.bias)
    assert products == []


def test_a_map_that_is_too_small_is_refused_as_by_a_convolution(products):
    with pytest.raises(RuntimeError, match="Kernel size can't be greater than actual input size"):
        LargeKernelConv2d(4, 6, 7)(torch.randn(1, 4, 5, 9))
    assert products == []


def test_fc6_of_full_width_is_a_product_for_images_of_voc():
    with torch.device("meta"):
        fc6 = vgg16().fc6
    assert fc6.weight.numel() == 102_760_448
    window = window_of(fc6)
    assert fc6._is_product(torch.zeros(1, 512, 18, 22), window)  # pool5 of 375 x 500
    assert not fc6._is_product(torch.zeros(1, 512, 18, 22, device="meta"), window)
    assert not fc6._is_product(torch.zeros(6, 512, 18, 22), window), "6 x 12 x 16 = 1152 positions"
