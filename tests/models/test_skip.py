from fractions import Fraction

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from fcn_lightning.models import SkipHead
from fcn_lightning.models.backbones import BACKBONES, Endpoint
from fcn_lightning.models.geometry import Grid
from fcn_lightning.models.skip import FixedUpscore, interpolated, learned_upscore
from fcn_lightning.models.surgery import bilinear_kernel

THIN = {"widths": (1,) * 5, "fc_widths": (1, 1)}

PLACES = {
    ("vgg16", 100): {
        "pool2": (-97.5, 4), "pool3": (-95.5, 8), "pool4": (-91.5, 16), "fc7": (12.5, 32),
    },
    ("vgg16", "same"): {
        "pool2": (1.5, 4), "pool3": (3.5, 8), "pool4": (7.5, 16), "fc7": (15.5, 32),
    },
    ("alexnet", 100): {"pool1": (-91, 8), "pool2": (-83, 16), "fc7": (13, 32)},
    ("alexnet", "same"): {"pool1": (4, 8), "pool2": (12, 16), "fc7": (12, 32)},
}  # fmt: skip
"""Position of pixel 0 of each map in the image, and the stride of the map, by hand."""

UPSCORED = {
    1: ((64,), (4, 80), (4, 10, 88)),
    97: ((160,), (10, 176), (10, 22, 184)),
    131: ((192,), (12, 208), (12, 26, 216)),
    160: ((224,), (14, 240), (14, 30, 248)),
    225: ((288,), (18, 304), (18, 38, 312)),
    256: ((320,), (20, 336), (20, 42, 344)),
    375: ((416,), (26, 432), (26, 54, 440)),
    500: ((544,), (34, 560), (34, 70, 568)),
}
"""Side of the image -> sides of the upscored maps of 32s, 16s and 8s, measured on Caffe."""


def head_of(backbone, padding, skips, **arguments):
    chain = BACKBONES[backbone](padding=padding, **THIN)
    return chain, SkipHead(chain.endpoints, skips=skips, **{"num_classes": 1, **arguments})


@pytest.mark.parametrize(
    ("backbone", "skips", "crops"),
    [
        ("vgg16", (), {"upscore": (19, 0)}),
        ("vgg16", ("pool4",), {"upscore2": (0, 5), "upscore16": (27, 0)}),
        (
            "vgg16",
            ("pool4", "pool3"),
            {"upscore2": (0, 5), "upscore_pool4": (0, 9), "upscore8": (31, 0)},
        ),
        (
            "vgg16",
            ("pool4", "pool3", "pool2"),
            {
                "upscore2": (0, 5),
                "upscore_pool4": (0, 9),
                "upscore_pool3": (0, 17),
                "upscore4": (33, 0),
            },
        ),
        ("alexnet", (), {"upscore": (18, 0)}),
    ],
)
def test_crops_are_the_references(backbone, skips, crops):
    assert head_of(backbone, 100, skips)[1].crops == crops


@pytest.mark.parametrize(
    ("padding", "last", "kernel", "crop"),
    [
        (100, "pool5", 64, 115),  # -83.5 - 31.5
        (100, "pool4", 32, 107),  # -91.5 - 15.5
        (100, "pool3", 16, 103),  # -95.5 - 7.5
        ("same", "pool5", 64, 16),
        ("same", "pool4", 32, 8),
        ("same", "pool3", 16, 4),
    ],
)
def test_crops_of_one_stream_alone(padding, last, kernel, crop):
    _, head = head_of("vgg16", padding, (), last=last)
    assert head.crops == {"upscore": (crop, 0)}
    assert head.upscore.kernel.shape == (kernel, kernel)
    assert [name for name, _ in head.named_parameters()] == [
        f"score_{last}.weight", f"score_{last}.bias"
    ]  # fmt: skip


@pytest.mark.parametrize("padding", [100, "same"])
@pytest.mark.parametrize("last", ["pool5", "pool4", "pool3"])
def test_one_stream_alone_has_no_deeper_layers_and_covers_any_image(narrow, padding, last):
    network = narrow(head={"name": "skip", "last": last}, padding=padding)
    layers = [name for name, _ in network.backbone.named_children()]
    assert layers[-1] == last
    assert list(network.backbone.endpoints)[-1] == last
    for side in (1, 31, 97, 130):
        image = torch.randint(0, 256, (1, 3, side, 40), dtype=torch.uint8)
        assert network(image).shape == (1, 21, side, 40)


def test_pool4_alone_is_fcn16s_where_fc7_scores_nothing(narrow):
    whole, alone = narrow(("pool4",)), narrow(head={"name": "skip", "last": "pool4"})
    nn.init.zeros_(whole.head.score_fr.weight)
    nn.init.zeros_(whole.head.score_fr.bias)
    weights = whole.state_dict()
    alone.load_state_dict({name: weights[name] for name in alone.state_dict()})
    image = torch.randint(0, 256, (1, 3, 61, 83), dtype=torch.uint8)
    torch.testing.assert_close(alone(image), whole(image))


@pytest.mark.parametrize(("padding", "crop"), [(100, 3), ("same", 0)])  # 12.5 and 15.5, - 15.5
def test_pool5_at_stride_1_predicts_at_stride_16_and_covers_any_image(narrow, padding, crop):
    network = narrow(padding=padding, pool5_stride=1)
    assert network.head.crops == {"upscore": (crop, 0)}
    assert network.head.upscore.kernel.shape == (32, 32)
    for side in (1, 16, 17, 97, 130):
        image = torch.randint(0, 256, (1, 3, side, 40), dtype=torch.uint8)
        assert network(image).shape == (1, 21, side, 40)


def test_a_stream_alone_may_have_skips():
    _, head = head_of("vgg16", 100, ("pool3",), last="pool4")
    assert list(head.crops) == ["upscore2", "upscore8"]


def test_kernels_are_the_references():
    layers = dict(head_of("vgg16", 100, ("pool4", "pool3"))[1].named_buffers())
    sides = {name: kernel.shape[0] for name, kernel in layers.items()}
    assert sides == {"upscore2.kernel": 4, "upscore_pool4.kernel": 4, "upscore8.kernel": 16}
    assert head_of("vgg16", 100, ())[1].upscore.kernel.shape == (64, 64)
    assert head_of("alexnet", 100, ())[1].upscore.kernel.shape == (63, 63)


@pytest.mark.parametrize("side", UPSCORED)
@pytest.mark.parametrize(("place", "skips"), [(0, ()), (1, ("pool4",)), (2, ("pool4", "pool3"))])
def test_upscored_maps_have_caffes_sizes(side, place, skips):
    chain, head = head_of("vgg16", 100, skips)
    seen = []
    for name in head.crops:
        layer = head.get_submodule(name)
        layer.register_forward_hook(lambda _, __, out: seen.append(out.shape[2]))
    with torch.no_grad():
        head(chain(torch.zeros(1, 3, side, 1)), (side, 1))
    assert tuple(seen) == UPSCORED[side][place]


@pytest.mark.parametrize("side", UPSCORED)
def test_alexnets_upscored_map_is_one_smaller(side):
    with torch.device("meta"):
        chain, head = head_of("alexnet", 100, ())
        out = head.upscore(head.score_fr(chain(torch.zeros(1, 3, side, side))["fc7"]))
    assert out.shape[2] == UPSCORED[side][0][0] - 1


@pytest.mark.parametrize(("kernel", "factor"), [(4, 2), (3, 2), (16, 8), (63, 32), (64, 32)])
def test_fixed_upscore_is_the_dense_deconvolution_with_diagonal_kernels(kernel, factor):
    dense = nn.ConvTranspose2d(5, 5, kernel, stride=factor, bias=False)
    with torch.no_grad():
        dense.weight.zero_()
        for i in range(5):
            dense.weight[i, i] = bilinear_kernel(kernel)
    score = torch.randn(2, 5, 3, 4)
    torch.testing.assert_close(FixedUpscore(5, kernel, factor)(score), dense(score))


def test_upscoring_by_two_on_paper():
    score = torch.tensor([[[[0.0, 4.0]]]])
    rows = FixedUpscore(1, 4, 2)(score)[0, 0]
    line = np.array([0, 0, 1, 3, 3, 1])
    np.testing.assert_allclose(rows, np.outer([0.25, 0.75, 0.75, 0.25], line), atol=1e-7)


def test_learned_upscore_starts_as_the_fixed_one():
    score = torch.randn(1, 3, 4, 4)
    layer = learned_upscore(3, 4, 2)
    torch.testing.assert_close(layer(score), FixedUpscore(3, 4, 2)(score))
    assert layer.weight.requires_grad
    assert layer.bias is None


def test_only_the_intermediate_upscores_learn():
    _, head = head_of("vgg16", 100, ("pool4", "pool3"), upscore="learned")
    learned = {n for n, _ in head.named_parameters() if "upscore" in n}
    assert learned == {"upscore2.weight", "upscore_pool4.weight"}


@pytest.mark.parametrize(
    ("backbone", "padding", "skips"),
    [
        ("vgg16", 100, ()),
        ("vgg16", 100, ("pool4",)),
        ("vgg16", 100, ("pool4", "pool3", "pool2")),
        ("vgg16", "same", ()),
        ("vgg16", "same", ("pool4",)),
        ("vgg16", "same", ("pool4", "pool3", "pool2")),
        ("vgg16", "same", ("pool3",)),
        ("alexnet", 100, ("pool2", "pool1")),
        ("alexnet", "same", ()),
        ("alexnet", "same", ("pool2", "pool1")),
    ],
)
def test_a_pixel_of_any_stream_scores_its_position_in_the_image(backbone, padding, skips):
    chain, head = head_of(backbone, padding, skips)
    size = (320, 290)
    maps = chain(torch.zeros(1, 3, *size))
    for stream in (*skips, "fc7"):
        offset, stride = PLACES[backbone, padding][stream]
        row, column = (round((middle - offset) / stride) for middle in (150, 140))
        one_hot = {name: torch.zeros_like(a_map) for name, a_map in maps.items()}
        one_hot[stream][0, 0, row, column] = 1
        for name in (*skips, "fr"):
            nn.init.constant_(head.get_submodule(f"score_{name}").weight, 1)
        score = head(one_hot, size)[0, 0].detach().double().numpy()
        h, w = np.indices(size)
        np.testing.assert_allclose(
            [(score * h).sum() / score.sum(), (score * w).sum() / score.sum()],
            [offset + row * stride, offset + column * stride],
            atol=1e-3,
        )
        assert score.sum() == pytest.approx(stride**2, rel=1e-5)


@pytest.mark.parametrize("padding", [100, "same"])
@pytest.mark.parametrize("skips", [(), ("pool4",), ("pool4", "pool3")])
def test_constant_scores_stay_constant_inside(padding, skips):
    chain, head = head_of("vgg16", padding, skips)
    nn.init.constant_(head.score_fr.bias, 3)
    score = head(chain(torch.zeros(1, 3, 320, 288)), (320, 288))[0, 0]
    torch.testing.assert_close(score[32:-32, 32:-32], torch.full((256, 224), 3.0))


def test_a_new_skip_adds_nothing(narrow):
    coarse, fine = narrow(), narrow(("pool4",))
    fine.load_state_dict(coarse.state_dict(), strict=False)
    nn.init.zeros_(fine.head.score_pool4.weight)
    nn.init.zeros_(fine.head.score_pool4.bias)
    image = torch.randint(0, 256, (1, 3, 61, 83), dtype=torch.uint8)
    with torch.no_grad():
        score_fr = coarse.head.score_fr(coarse.backbone(coarse.normalize(image))["fc7"])
        twice = F.conv_transpose2d(score_fr, diagonal(21, 4), stride=2)
        once = F.conv_transpose2d(twice, diagonal(21, 32), stride=16)
        expected = once[:, :, 27 : 27 + 61, 27 : 27 + 83]
        torch.testing.assert_close(fine(image), expected, atol=1e-6, rtol=1e-5)
        agree = (fine(image).argmax(1) == coarse(image).argmax(1)).float().mean()
    assert expected.std() > 0.01
    assert agree > 0.9


def test_scoring_layers_are_initialized_with_zeros():
    _, head = head_of("vgg16", 100, ("pool4", "pool3"), num_classes=3)
    assert {name for name, value in head.named_parameters() if not value.any()} == {
        f"score_{stream}.{kind}"
        for stream in ("fr", "pool4", "pool3")
        for kind in ("weight", "bias")
    }


def test_random_scores_are_gaussian_and_follow_the_seed():
    chain = BACKBONES["vgg16"](widths=(1,) * 5, fc_widths=(1, 2000))
    made = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        made.append(SkipHead(chain.endpoints, 10, score_init="random").score_fr)
    weight = made[0].weight.detach().numpy().ravel()
    assert weight.std() == pytest.approx(0.01, rel=0.02)  # 20,000 draws: 1 % is two deviations
    assert abs(weight.mean()) < 4 * 0.01 / np.sqrt(weight.size)
    assert not made[0].bias.any()
    assert torch.equal(made[0].weight, made[1].weight)
    assert not torch.equal(made[0].weight, made[2].weight)


def test_scales_multiply_the_skips_and_not_fc7():
    _, plain = head_of("vgg16", "same", ("pool4", "pool3"), num_classes=2)
    _, scaled = head_of("vgg16", "same", ("pool4", "pool3"), num_classes=2, scales=(0.01, 0.0001))
    for parameter in plain.parameters():
        nn.init.normal_(parameter)
    scaled.load_state_dict(plain.state_dict())
    maps = {"pool4": torch.randn(1, 1, 6, 6), "pool3": torch.randn(1, 1, 12, 12)}
    maps["fc7"] = torch.randn(1, 1, 3, 3)
    by_hand = {**maps, "pool4": maps["pool4"] * 0.01, "pool3": maps["pool3"] * 0.0001}
    torch.testing.assert_close(scaled(maps, (96, 96)), plain(by_hand, (96, 96)))


@pytest.mark.parametrize(
    ("fuse", "expected"), [("sum", [[1.45, 0.45], [0.45, 1.45]]), ("max", [[1, 0.45], [0.45, 1]])]
)
def test_fusion_on_paper(fuse, expected):
    """The coarse stream's 0.8 is 0.8 * 0.75 * 0.75 = 0.45 at each of the four pixels."""
    endpoints = {
        "pool1": Endpoint(1, Grid()),
        "fc7": Endpoint(1, Grid(Fraction(1, 2), Fraction(2))),
    }
    head = SkipHead(endpoints, 1, skips=("pool1",), fuse=fuse)
    for layer in (head.score_fr, head.score_pool1):
        nn.init.ones_(layer.weight)
    maps = {"fc7": torch.full((1, 1, 1, 1), 0.8), "pool1": torch.eye(2)[None, None]}
    torch.testing.assert_close(head(maps, (2, 2))[0, 0], torch.tensor(expected))


def test_scores_are_float32_under_autocast(narrow):
    network = narrow(("pool4",))
    image = torch.randint(0, 256, (1, 3, 33, 33), dtype=torch.uint8)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert network(image).dtype == torch.float32


POOLS = "pool4, pool3, pool2, pool1"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_classes": 0}, "A head must score at least one class; got 0."),
        (
            {"skips": ("pool3", "pool4")},
            "`skips` must name endpoints of the backbone from coarse to fine "
            f"({POOLS}); got ('pool3', 'pool4').",
        ),
        (
            {"skips": ("pool4", "pool4")},
            "`skips` must name endpoints of the backbone from coarse to fine "
            f"({POOLS}); got ('pool4', 'pool4').",
        ),
        (
            {"skips": ("conv4_3",)},
            "`skips` must name endpoints of the backbone from coarse to fine "
            f"({POOLS}); got ('conv4_3',).",
        ),
        (
            {"skips": ("pool5",)},
            "`skips` must name endpoints of the backbone from coarse to fine "
            f"({POOLS}); got ('pool5',).",
        ),
        (
            {"skips": ("pool4",), "scales": (1.0, 2.0)},
            "`scales` must hold one factor for each of ('pool4',); got (1.0, 2.0).",
        ),
        (
            {"last": "pool6"},
            "`last` must name an endpoint of the backbone (pool1, pool2, pool3, pool4, pool5, "
            "fc7); got 'pool6'.",
        ),
        (
            {"last": "pool4", "skips": ("pool4",)},
            "`skips` must name endpoints of the backbone from coarse to fine "
            "(pool3, pool2, pool1); got ('pool4',).",
        ),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(ValueError, match=r".") as error:
        head_of("vgg16", 100, **{"skips": (), **arguments})
    assert str(error.value) == message


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("argument", "choices"),
    [("upscore", "fixed, learned, all"), ("fuse", "sum, max"), ("score_init", "zero, random")],
)
def test_refuses_an_unknown_choice(argument, choices):
    with pytest.raises(ValueError, match=r".") as error:
        head_of("vgg16", 100, (), **{argument: "bilinear"})
    assert str(error.value) == f"`{argument}` must be one of {choices}; got 'bilinear'."


@pytest.mark.parametrize(("factor", "size"), [(32, (2, 3)), (16, (1, 4)), (8, (5, 3)), (2, (4, 7))])
def test_interpolation_is_the_transposed_convolution(factor, size):
    score = torch.randn(2, 3, *size, dtype=torch.float64, requires_grad=True)
    line = 1 - (torch.arange(2 * factor, dtype=torch.float64) - factor + 0.5).abs() / factor
    kernel = torch.outer(line, line).expand(3, 1, -1, -1)
    expected = F.conv_transpose2d(score, kernel, stride=factor, groups=3)
    found = interpolated(score, line[:factor])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-14)
    above = torch.randn_like(expected)
    gradients = [torch.autograd.grad(maps, score, above)[0] for maps in (found, expected)]
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-12 * factor)


def test_a_gpu_interpolates_by_the_kernel(monkeypatch):
    """With the property of a map on a GPU in place of one."""
    score = torch.randn(1, 5, 3, 4)
    expected = FixedUpscore(5, 16, 8)(score)
    monkeypatch.setattr(torch.Tensor, "is_cuda", property(lambda one: one is score))
    found = FixedUpscore(5, 16, 8)(score)
    assert not torch.equal(found, expected)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_refuses_a_map_that_starts_inside_the_image():
    late = {
        "pool1": Endpoint(1, Grid(Fraction(1, 2), Fraction(2))),
        "fc7": Endpoint(1, Grid(Fraction(61, 2), Fraction(4))),
    }
    with pytest.raises(ValueError, match="does not cover") as error:
        SkipHead(late, num_classes=2)
    assert str(error.value) == (
        "The upscored map starts 27 pixels inside the image and does not cover it. Increase the "
        "padding of the backbone."
    )


def diagonal(classes, kernel):
    weight = torch.zeros(classes, classes, kernel, kernel)
    weight[range(classes), range(classes)] = bilinear_kernel(kernel)
    return weight
