from fractions import Fraction

import pytest
import torch
from torch import nn

from fcn_lightning.models.backbones import BACKBONES
from fcn_lightning.models.geometry import Grid, Window, smallest_input, upscore_kernel, window_of

POOL4 = Grid(Fraction(-183, 2), Fraction(16))
FC7 = Grid(Fraction(25, 2), Fraction(32))
"""VGG-16's at pad 100: pixel u lies at 16 u - 91.5 and at 32 u + 12.5."""


@pytest.mark.parametrize(
    ("window", "sizes"),
    [
        (Window(3, pad=100), {1: 199, 97: 295}),
        (Window(2, 2, ceil=True), {1: 1, 2: 1, 3: 2, 4: 2, 5: 3}),
        (Window(3, 2, ceil=True), {2: 1, 3: 1, 4: 2, 5: 2, 6: 3}),
        (Window(3, 2), {3: 1, 4: 1, 5: 2, 6: 2}),
        (Window(7), {6: 0, 7: 1, 12: 6}),
    ],
)
def test_out_size_counts_windows(window, sizes):
    assert {size: window.out_size(size) for size in sizes} == sizes


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(1, 1, 11, 4, 5),
        nn.Conv2d(1, 1, 5, dilation=2, padding=1),
        nn.MaxPool2d(3, 2, ceil_mode=True),
        nn.Conv2d(1, 1, 3, 2, 1, dilation=2),
        nn.MaxPool2d(3, 1, dilation=4),
    ],
)
@pytest.mark.parametrize("size", range(11, 40))
def test_out_size_is_torchs(layer, size):
    assert window_of(layer).out_size(size) == layer(torch.zeros(1, 1, size, size)).shape[2]


def test_grid_after_one_convolution():
    assert Grid().after(Window(3, pad=1)) == Grid(Fraction(0), Fraction(1), Fraction(3))


def test_grid_after_pooling_lies_between_two_pixels():
    assert Grid().after(Window(2, 2)) == Grid(Fraction(1, 2), Fraction(2), Fraction(2))


def test_grid_after_two_layers_counts_in_the_stride_of_the_first():
    grid = Grid().after(Window(2, 2)).after(Window(3, pad=0))
    assert grid == Grid(Fraction(5, 2), Fraction(2), Fraction(6))


@pytest.mark.parametrize(
    ("backbone", "padding", "endpoint", "offset", "stride"),
    [
        ("vgg16", 100, "pool3", "-191/2", 8),
        ("vgg16", 100, "pool4", "-183/2", 16),
        ("vgg16", 100, "fc7", "25/2", 32),
        ("vgg19", 100, "pool4", "-183/2", 16),
        ("vgg19", 100, "fc7", "25/2", 32),
        ("vgg16", "same", "pool1", "1/2", 2),
        ("vgg16", "same", "pool3", "7/2", 8),
        ("vgg16", "same", "pool4", "15/2", 16),
        ("vgg16", "same", "fc7", "31/2", 32),
        ("alexnet", 100, "fc7", "13", 32),
        ("alexnet", "same", "pool1", "4", 8),
        ("alexnet", "same", "pool2", "12", 16),
        ("alexnet", "same", "fc7", "12", 32),
    ],
)
def test_where_endpoints_lie(backbone, padding, endpoint, offset, stride):
    grid = BACKBONES[backbone](padding=padding, **_thin()).endpoints[endpoint].grid
    assert (grid.offset, grid.stride) == (Fraction(offset), stride)


@pytest.mark.parametrize(
    ("backbone", "side", "fields", "arguments"),
    [
        ("vgg16", 704, {"pool3": 44, "pool4": 100, "pool5": 212, "fc7": 404}, {}),
        ("vgg16", 704, {"fc7": 404}, {"pool5_stride": 1}),
        ("vgg19", 704, {"fc7": 460}, {}),  # 404 + 2 * (4 + 8 + 16)
        ("alexnet", 704, {"pool1": 19, "pool2": 67, "pool5": 195, "fc7": 355}, {}),
        ("caffenet", 704, {"pool1": 19, "pool2": 67, "pool5": 195, "fc7": 355}, {}),
        ("googlenet", 1088, {"pool3": 107, "pool4": 459, "inception_5b": 715}, {}),
    ],
)
def test_receptive_field_is_what_the_gradient_reaches(backbone, side, fields, arguments):
    chain, image = _summing(backbone, **arguments), _ones(side)
    maps = chain.double()(image)
    for endpoint, field in fields.items():
        grid = chain.endpoints[endpoint].grid
        pixel = grid.inside(side)[0] + 1, grid.inside(side)[0]
        output = maps[endpoint][0, :, *pixel].sum()
        (gradient,) = torch.autograd.grad(output, image, retain_graph=True)
        for axis, i in enumerate(pixel):
            first, last = _extent(gradient, axis)
            assert Fraction(first + last, 2) == grid.offset + i * grid.stride
            assert last - first + 1 == grid.receptive_field == field


def test_the_average_pooling_of_googlenet_reaches_907_pixels():
    """The 7 x 7 average pooling that the paper discards; 715 + 6 * 32."""
    chain, image = _summing("googlenet"), _ones(1248)
    pooled = nn.functional.avg_pool2d(chain.double()(image)["inception_5b"], 7, 1)
    pooled[0, :, 17, 16].sum().backward()
    for axis in range(2):
        first, last = _extent(image.grad, axis)
        assert last - first + 1 == 907


@pytest.mark.parametrize(
    ("grid", "side", "pixels"),
    [
        (Grid(), 5, range(5)),
        (Grid().after(Window(3, pad=1)), 5, range(1, 4)),
        (Grid().after(Window(3)), 5, range(3)),
        (Grid().after(Window(2, 2, ceil=True)), 5, range(2)),
        (Grid().after(Window(2, 2)).after(Window(3, pad=1)), 6, range(1, 2)),
    ],
)
def test_pixels_inside_an_image_of_a_given_side(grid, side, pixels):
    assert grid.inside(side) == pixels


def test_no_pixel_is_inside_an_image_below_the_receptive_field():
    assert not Grid().after(Window(7)).inside(6)


def test_upscore_kernels_are_even_for_vgg_and_odd_for_alexnet():
    assert upscore_kernel(FC7, 32, Grid()) == 64
    assert upscore_kernel(Grid(Fraction(13), Fraction(32)), 32, Grid()) == 63


def test_upscored_map_and_the_skips_are_five_pixels_apart():
    assert FC7.upscored(4, 2).pixels_to(POOL4) == -5


def test_no_kernel_aligns_a_third_of_a_pixel():
    with pytest.raises(ValueError, match="whole pixels") as error:
        upscore_kernel(Grid(Fraction(1, 3), Fraction(2)), 2, Grid())
    assert str(error.value) == (
        "A map with offset 1/3 and stride 2, upscored by 2, cannot be aligned with a map with "
        "offset 0 and stride 1: neither kernel 4 nor 3 gives a distance of whole pixels."
    )


@pytest.mark.parametrize(
    ("windows", "side"),
    [([Window(3)], 3), ([Window(3, pad=1)], 1), ([Window(2, 2, ceil=True), Window(7)], 13)],
)
def test_smallest_input(windows, side):
    assert smallest_input(windows) == side


def test_pointwise_layers_have_no_window():
    assert window_of(nn.ReLU()) is window_of(nn.Dropout()) is None


def test_geometry_of_other_layers_is_not_guessed():
    with pytest.raises(TypeError, match=r"^The geometry of BatchNorm2d layers is unknown\.$"):
        window_of(nn.BatchNorm2d(3))


def test_windows_are_square():
    with pytest.raises(TypeError, match=r"^Windows must be square; got \(3, 5\)\.$"):
        window_of(nn.Conv2d(1, 1, (3, 5)))


def _thin():
    return {"widths": (1,) * 5, "fc_widths": (1, 1)}


def _summing(backbone, **arguments):
    """The backbone with kernels of ones and averages for maxima, so that no gradient is 0."""
    narrow = {
        "caffenet": {"widths": (2,) * 5, "fc_widths": (1, 1)},
        "googlenet": {"stem": (1, 1, 1), "inceptions": ((1,) * 6,) * 9},
    }
    own = narrow.get(backbone, _thin()) | arguments
    chain = BACKBONES[backbone](padding="same", **own).eval()
    for parent in list(chain.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, nn.MaxPool2d):
                average = nn.AvgPool2d(layer.kernel_size, layer.stride, layer.padding, True)
                setattr(parent, name, average)
            elif isinstance(layer, nn.Conv2d):
                nn.init.constant_(layer.weight, 1 / layer.weight[0].numel())
    return chain


def _ones(side):
    return torch.ones(1, 3, side, side, dtype=torch.float64, requires_grad=True)


def _extent(gradient, axis):
    """The first and last row or column that the gradient reaches."""
    reached = gradient[0, 0].sum(1 - axis).nonzero().flatten()
    return int(reached[0]), int(reached[-1])
