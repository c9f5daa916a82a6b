import pytest
import torch

from fcn_lightning.models.backbones import BACKBONES, alexnet, caffenet, vgg16
from fcn_lightning.models.normalize import NORMALIZATIONS, Normalize

NARROW = {"widths": (4, 8, 16, 32, 32), "fc_widths": (64, 64)}

SIZES = {
    1: (25, 13, 7, 1),
    97: (37, 19, 10, 4),
    131: (42, 21, 11, 5),
    160: (45, 23, 12, 6),
    225: (53, 27, 14, 8),
    256: (57, 29, 15, 9),
    375: (72, 36, 18, 12),
    500: (88, 44, 22, 16),
}
"""Side of the image -> sides of pool3, pool4, pool5 and fc7, measured on Caffe."""


@pytest.mark.parametrize("side", SIZES)
def test_vgg16_maps_have_caffes_sizes(side):
    with torch.device("meta"):
        maps = vgg16(**NARROW)(torch.zeros(1, 3, side, 97))
    names = ("pool3", "pool4", "pool5", "fc7")
    assert tuple(maps[name].shape[2] for name in names) == SIZES[side]
    assert tuple(maps[name].shape[3] for name in names) == SIZES[97]


@pytest.mark.parametrize("backbone", [alexnet, caffenet])
@pytest.mark.parametrize("side", SIZES)
def test_alexnet_fc7_has_caffes_size(backbone, side):
    with torch.device("meta"):
        maps = backbone(**NARROW)(torch.zeros(1, 3, side, 97))
    assert maps["fc7"].shape[2:] == (SIZES[side][3], SIZES[97][3])


@pytest.mark.parametrize(
    ("backbone", "channels"),
    [
        ("vgg16", {"pool1": 4, "pool2": 8, "pool3": 16, "pool4": 32, "pool5": 32, "fc7": 64}),
        ("alexnet", {"pool1": 4, "pool2": 8, "pool5": 32, "fc7": 64}),
    ],
)
def test_endpoints_and_their_channels(backbone, channels):
    chain = BACKBONES[backbone](**NARROW)
    maps = chain(torch.zeros(1, 3, 40, 40))
    assert {name: endpoint.channels for name, endpoint in chain.endpoints.items()} == channels
    assert {name: maps[name].shape[1] for name in maps} == channels


@pytest.mark.parametrize("size", [(32, 32), (64, 96)])
def test_same_padding_divides_sizes_by_the_stride(size):
    maps = vgg16(**NARROW, padding="same")(torch.zeros(1, 3, *size))
    for name, stride in {"pool1": 2, "pool3": 8, "pool4": 16, "fc7": 32}.items():
        assert maps[name].shape[2:] == (size[0] // stride, size[1] // stride)


@pytest.mark.parametrize(
    ("backbone", "padding", "side"),
    [("vgg16", 100, 1), ("alexnet", 100, 1), ("vgg16", "same", 1), ("alexnet", "same", 29)],
)
def test_smallest_input(backbone, padding, side):
    chain = BACKBONES[backbone](**NARROW, padding=padding)
    assert chain.smallest_input == side
    assert chain(torch.zeros(1, 3, side, side))["fc7"].numel() > 0


def test_layers_have_caffes_names():
    names = [name for name, _ in vgg16(**NARROW).named_parameters() if name.endswith(".weight")]
    assert names == [
        "conv1_1.weight", "conv1_2.weight", "conv2_1.weight", "conv2_2.weight",
        "conv3_1.weight", "conv3_2.weight", "conv3_3.weight", "conv4_1.weight",
        "conv4_2.weight", "conv4_3.weight", "conv5_1.weight", "conv5_2.weight",
        "conv5_3.weight", "fc6.weight", "fc7.weight",
    ]  # fmt: skip


def test_weights_are_initialized_as_in_he_et_al():
    layer = vgg16(widths=(8, 64, 256, 8, 8), fc_widths=(8, 8)).requires_grad_(False).conv3_2
    fan_in = layer.weight[0].numel()
    assert float(layer.weight.std()) == pytest.approx((2 / fan_in) ** 0.5, rel=0.01)
    assert not layer.bias.any()


def test_dropout_drops_half_in_training_only():
    chain = vgg16(**NARROW)
    assert (chain.drop6.p, chain.drop7.p) == (0.5, 0.5)
    maps = chain.train()(torch.randn(1, 3, 200, 200))["fc7"]
    assert float((maps == 0).float().mean()) > 0.4
    image = torch.randn(1, 3, 40, 40)
    assert torch.equal(chain.eval()(image)["fc7"], chain(image)["fc7"])


@pytest.mark.parametrize("padding", [100, "same"])
def test_pool5_at_stride_1_computes_fc7_at_every_second_place_as_before(padding):
    """Filter rarefaction: the dilated fc6 sees at places 2i what fc6 saw at i (CVPR 2015, 3.2)."""
    plain = vgg16(**NARROW, padding=padding).eval()
    dense = vgg16(**NARROW, padding=padding, pool5_stride=1).eval()
    dense.load_state_dict(plain.state_dict())
    side = 250 if padding == 100 else 256  # pool4 has an even number of rows
    image = torch.randn(1, 3, side, side)
    fc7, finer = plain(image)["fc7"], dense(image)["fc7"]
    assert finer.std() > 0
    h, w = fc7.shape[2:]
    torch.testing.assert_close(finer[:, :, ::2, ::2][:, :, :h, :w], fc7)
    assert finer.shape[2:] == (2 * h - 1, 2 * w - 1)
    grids = [chain.endpoints["fc7"].grid for chain in (plain, dense)]
    assert [(grid.offset, grid.stride) for grid in grids] == [
        (grids[0].offset, 32), (grids[0].offset, 16)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"widths": (4, 8)},
            "vgg16 needs five `widths` and two `fc_widths`, each 1 or more; got [4, 8] and "
            "[4096, 4096].",
        ),
        (
            {"widths": (4, 8, 0, 8, 8), "fc_widths": (1, 1)},
            "vgg16 needs five `widths` and two `fc_widths`, each 1 or more; got "
            "[4, 8, 0, 8, 8] and [1, 1].",
        ),
        ({"padding": 50}, "`padding` must be 100 or 'same'; got 50."),
        (
            {"padding": "same", "fc6_kernel": 4},
            "`fc6_kernel` must be positive, and odd with padding 'same'; got 4.",
        ),
        (
            {"fc6_kernel": 0},
            "`fc6_kernel` must be positive, and odd with padding 'same'; got 0.",
        ),
        ({"in_channels": 5}, "`in_channels` of vgg16 must be 1, 3 or 4; got 5."),
        ({"pool5_stride": 3}, "`pool5_stride` must be 1 or 2; got 3."),
        ({"dropout": 1.0}, "`dropout` must be 0 or more and below 1; got 1.0."),
    ],
)
def test_vgg16_refuses(arguments, message):
    with pytest.raises(ValueError, match=r".") as error:
        vgg16(**arguments)
    assert str(error.value) == message


def test_vgg19_has_the_published_size_and_layers():
    """torchvision documents 143,667,240 parameters with an fc8 of 1,000 classes."""
    with torch.device("meta"):
        chain = BACKBONES["vgg19"]()
    size = sum(parameter.numel() for parameter in chain.parameters())
    assert size == 143_667_240 - 1000 * (4096 + 1)
    names = {name for name, _ in chain.named_children()}
    assert {"conv3_4", "conv4_4", "conv5_4"} <= names
    assert not {"conv1_3", "conv2_3", "conv5_5"} & names
    with pytest.raises(ValueError, match="vgg19 needs five `widths`"):
        BACKBONES["vgg19"](widths=(4, 8))


def test_caffenet_has_two_groups():
    shapes = {n: tuple(p.shape) for n, p in caffenet().named_parameters() if n.endswith("weight")}
    assert shapes["conv2.weight"] == (256, 48, 5, 5)
    assert shapes["conv4.weight"] == (384, 192, 3, 3)
    assert shapes["conv5.weight"] == (256, 192, 3, 3)
    with pytest.raises(ValueError, match="even") as error:
        caffenet(widths=(6, 15, 24, 24, 16))
    assert str(error.value) == (
        "The `widths` of caffenet must be even, for two groups; got [6, 15, 24, 24, 16]."
    )


def test_alexnet_refuses():
    with pytest.raises(ValueError, match=r"^alexnet needs five `widths` and two `fc_widths`"):
        alexnet(fc_widths=(8,))


def test_caffe_normalization_puts_blue_first_and_subtracts_the_means():
    red = torch.tensor([200, 100, 50], dtype=torch.uint8).view(1, 3, 1, 1)
    first = Normalize(NORMALIZATIONS["caffe"])(red).flatten().tolist()
    assert first == pytest.approx([50 - 104.00699, 100 - 116.66877, 200 - 122.67892], abs=1e-5)


def test_torchvision_normalization_is_imagenets_in_rgb():
    image = torch.randint(0, 256, (1, 3, 4, 5), dtype=torch.uint8)
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    expected = (image / 255 - mean) / std
    torch.testing.assert_close(Normalize(NORMALIZATIONS["torchvision"])(image), expected)
