"""The narrow border gives what the whole border gives, for images of all sizes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from fcn_lightning.models.backbones.chain import Chain
from thin import chain

SMALL = [(side, 71 - side) for side in range(1, 71)]
LARGE = [
    (71, 200), (97, 129), (100, 133), (128, 96), (150, 150), (161, 111), (177, 250), (199, 72),
    (210, 99), (224, 225),
]  # fmt: skip


def results(backbone: Chain, image: Tensor) -> list[Tensor]:
    """All endpoints, and the gradients of the image and of the weights."""
    maps = list(backbone(image).values())
    loss = sum((i * m.square().mean() for i, m in enumerate(maps, start=1)), torch.tensor(0.0))
    return [*maps, *torch.autograd.grad(loss, [image, *backbone.parameters()])]


def largest_difference(backbone: Chain, sizes: list[tuple[int, int]]) -> float:
    """Of the narrow border, relative to the largest value of each result of the whole one."""
    differences = []
    for h, w in sizes:
        image = torch.randn(1, 3, h, w, dtype=torch.float64, requires_grad=True)
        backbone.narrow_border = True
        narrow = results(backbone, image)
        backbone.narrow_border = False
        for a, b in zip(narrow, results(backbone, image), strict=True):
            assert a.shape == b.shape
            differences.append(float((a - b).detach().abs().max() / b.detach().abs().max()))
    return max(differences)


@pytest.mark.parametrize(
    ("name", "sizes"),
    [("vgg16", SMALL + LARGE), ("caffenet", SMALL[::3] + LARGE), ("googlenet", SMALL[20::9])],
)
def test_endpoints_and_gradients_are_those_of_the_whole_border(name, sizes):
    assert largest_difference(chain(name), sizes) < 1e-10


def test_scores_are_those_of_the_whole_border_in_float32(narrow):
    network = narrow(skips=("pool4", "pool3")).eval()
    image = torch.randint(0, 256, (2, 3, 60, 83), dtype=torch.uint8)
    with torch.no_grad():
        scores = network(image)
        network.backbone.narrow_border = False
        whole = network(image)
    assert whole.abs().max() > 1e-3
    torch.testing.assert_close(scores, whole, rtol=0, atol=1e-5 * float(whole.abs().max()))


@pytest.mark.parametrize(
    ("layer", "whole", "narrow"),
    [
        ("conv1_2", (573, 698), (389, 514)),  # 375 + 2 * 100 - 2; 8 pixels of border remain
        ("conv2_2", (287, 349), (207, 269)),
        ("conv3_3", (144, 175), (120, 151)),
        ("conv4_3", (72, 88), (72, 88)),
    ],
)
def test_sizes_of_an_image_of_375_x_500(layer, whole, narrow):
    backbone, seen = chain("vgg16"), []
    backbone.get_submodule(layer).register_forward_hook(
        lambda _, inputs, __: seen.append(tuple(inputs[0].shape[2:]))
    )
    for backbone.narrow_border in (False, True):
        backbone(torch.zeros(1, 3, 375, 500, dtype=torch.float64))
    assert seen == [whole, narrow]


def test_maps_keep_their_memory_format():
    backbone = chain("vgg16").to(memory_format=torch.channels_last)
    image = torch.randn(1, 3, 40, 50, dtype=torch.float64)
    maps = backbone(image.contiguous(memory_format=torch.channels_last))
    assert all(m.is_contiguous(memory_format=torch.channels_last) for m in maps.values())


@pytest.mark.parametrize(
    "change",
    [
        lambda backbone: backbone.until("pool2"),
        lambda backbone: backbone.until("pool1"),
        lambda backbone: setattr(backbone.conv1_1, "padding", (96, 96)),
    ],
    ids=["until pool2", "until pool1", "another padding"],
)
def test_a_changed_network_has_its_own_border(change: Callable[[Chain], None]):
    backbone = chain("vgg16")
    change(backbone)
    assert largest_difference(backbone, [(33, 50), (41, 21)]) < 1e-10


@pytest.mark.parametrize("name", ["vgg16", "caffenet"])
def test_nothing_is_left_out_with_same_padding(name):
    backbone = chain(name, padding="same")
    image = torch.randn(1, 3, 64, 65, dtype=torch.float64)
    narrow = backbone(image)
    backbone.narrow_border = False
    assert all(torch.equal(narrow[k], v) for k, v in backbone(image).items())
