"""Masks by hand, on images of 2 x 2 pixels: background, foreground, void, foreground."""

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset

from fcn_lightning.data import LabelSet, Mask
from fcn_lightning.data.mask import Masked, masked
from fcn_lightning.data.transforms import FILL, Depth
from fcn_lightning.labels import NYUD, VOC
from fcn_lightning.models.normalize import NORMALIZATIONS, Normalize, colors_of

LABEL = torch.tensor([[0, 3], [255, 1]], dtype=torch.uint8)
IMAGE = torch.tensor([[[10, 20], [30, 40]]], dtype=torch.uint8).repeat(3, 1, 1)


@pytest.mark.parametrize(
    ("region", "first_channel"),
    [
        ("background", [[7, 20], [7, 40]]),
        ("foreground", [[10, 7], [7, 7]]),
        ("both", [[7, 0], [7, 0]]),
    ],
)
def test_regions_on_paper(region, first_channel):
    out = masked(IMAGE, LABEL, region, (7.0, 8.0, 9.0))
    assert out.dtype == torch.uint8
    assert out[0].tolist() == first_channel
    for channel, value in enumerate((7, 8, 9)):
        assert torch.equal(out[channel] == value, out[0] == 7)


class Scenes(Dataset):
    def __len__(self):
        return 5

    def __getitem__(self, index):
        depth = torch.full((1, 2, 2), 900.0)
        return {"image": {"color": IMAGE, "depth": depth}, "label": LABEL, "name": str(index)}


def test_every_modality_is_masked_with_its_own_color():
    colors = colors_of({"color": "nyud_color", "depth": "nyud_depth"})
    sample = Masked(Scenes(), "background", colors, VOC)[3]
    assert sample["image"]["color"][:, 0, 0].tolist() == [92, 97, 116]
    assert sample["image"]["depth"][0].tolist() == [[2550, 900], [2550, 900]]
    assert torch.equal(sample["label"], LABEL)
    assert sample["name"] == "3"
    assert len(Masked(Scenes(), "background", colors, VOC)) == 5


@pytest.mark.parametrize("name", NORMALIZATIONS)
def test_the_color_is_about_zero_after_normalization(name):
    normalize = Normalize(NORMALIZATIONS[name])
    color = torch.tensor(NORMALIZATIONS[name].color)[None, :, None, None]
    largest = float(normalize(color).abs().max())
    assert largest <= 0.5 / min(NORMALIZATIONS[name].scale) + 1e-6


def test_the_colors_are_those_outside_of_augmented_images():
    by_type = {type_.__name__: fill for type_, fill in FILL.items()}
    assert NORMALIZATIONS["caffe"].color == tuple(by_type["Image"])
    assert NORMALIZATIONS["nyud_depth"].color == pytest.approx(
        tuple(np.ravel(FILL[Depth])), rel=1e-3
    )
    np.testing.assert_allclose(NORMALIZATIONS["torchvision"].color, by_type["Image"], atol=1)


def test_refuses_an_unknown_region():
    with pytest.raises(ValueError, match=r".") as error:
        Mask(test="shape")
    assert str(error.value) == (
        "`mask.test` must be null, foreground, background or both; got 'shape'."
    )


@pytest.mark.parametrize("labels", [NYUD, {"sem": NYUD, "geo": LabelSet("geo", ("sky",))}])
def test_refuses_labels_without_a_background(labels):
    with pytest.raises(ValueError, match=r".") as error:
        Masked(Scenes(), "both", {}, labels)
    assert str(error.value) == (
        "`mask` needs labels whose class 0 is background; class 0 of nyud is wall. Set "
        "`mask.train` and `mask.test` to null."
    )
