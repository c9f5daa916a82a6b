"""Loss sampling: whole cells, kept with probability p, drawn from (seed, step, place)."""

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset

from fcn_lightning.data import Augment
from fcn_lightning.data.loss_sampling import LossSampling
from fcn_lightning.data.samplers import Draw
from fcn_lightning.data.transforms import Augmented
from fcn_lightning.models import build

STRIDE = 8


def borders(mask, axis):
    """The rows or columns that differ from the one before."""
    mask = np.moveaxis(mask, axis, 0)
    return [i for i in range(1, len(mask)) if (mask[i] != mask[i - 1]).any()]


def test_cells_are_squares_on_a_grid_with_a_random_shift():
    shifts = set()
    for seed in range(200):
        mask = LossSampling(0.5, STRIDE).left_out((60, 70), seed).numpy()
        rows, columns = ({place % STRIDE for place in borders(mask, axis)} for axis in (0, 1))
        assert len(rows) == len(columns) == 1
        shifts.add((*rows, *columns))
    assert {row for row, _ in shifts} == {column for _, column in shifts} == set(range(STRIDE))
    assert len(shifts) > 2 * STRIDE, "rows and columns are shifted independently"


@pytest.mark.parametrize("keep", [0.25, 0.5, 1.0])
def test_pixels_stay_with_the_probability(keep):
    sampling = LossSampling(keep, STRIDE)
    stay = 1 - np.mean([sampling.left_out((61, 45), seed).numpy() for seed in range(400)], 0)
    assert stay.shape == (61, 45)
    deviation = np.sqrt(keep * (1 - keep) / 400)
    assert np.abs(stay - keep).max() <= 5 * deviation, "at every pixel, also in cut cells"


class Scenes(Dataset):
    def __getitem__(self, index):
        label = torch.ones(40, 50, dtype=torch.uint8)
        labels = {"sem": label, "geo": label * 2}
        return {"image": torch.zeros(3, 40, 50, dtype=torch.uint8), "label": labels, "name": "a"}


def test_a_draw_depends_on_seed_step_and_place_alone():
    def draw(seed, step, place):
        data = Augmented(Scenes(), Augment(), seed, LossSampling(0.5, STRIDE))
        torch.manual_seed(seed + step)
        return data[Draw(0, step, place)]["label"]

    first = draw(5, 7, 2)
    assert torch.equal(first["sem"], draw(5, 7, 2)["sem"])
    for other in ((6, 7, 2), (5, 8, 2), (5, 7, 3)):
        assert not torch.equal(first["sem"], draw(*other)["sem"])
    assert set(first["sem"].unique().tolist()) == {1, 255}
    assert torch.equal(first["sem"] == 255, first["geo"] == 255), "all heads lose the same cells"
    assert type(first["sem"]) is torch.Tensor


def test_augmentation_is_the_same_with_and_without():
    augment = Augment(mirror=True, jitter=4, crop=30)
    plain, sampled = (
        Augmented(Scenes(), augment, 5, sampling) for sampling in (None, LossSampling(0.5, STRIDE))
    )
    for step in range(5):
        one, other = (data[Draw(0, step, 0)] for data in (plain, sampled))
        assert torch.equal(one["image"], other["image"])
        kept = other["label"]["sem"] != 255
        assert torch.equal(one["label"]["sem"][kept], other["label"]["sem"][kept])


@pytest.mark.parametrize(
    ("parts", "stride"),
    [
        ({}, 32),
        ({"head": {"name": "skip", "skips": ("pool4", "pool3")}}, 32),
        ({"head": {"name": "skip", "last": "pool4"}}, 16),
        ({"backbone": {"name": "vgg16", "pool5_stride": 1}}, 16),
        ({"image_scale": 2.0}, 16),
        ({"normalize": {"a": "nyud_color", "b": "nyud_hha"}, "fusion": "late"}, 32),
    ],
)
def test_cells_are_those_of_the_coarsest_map(parts, stride):
    own = {"backbone": {"name": "vgg16"}, "head": {"name": "skip"}, "num_classes": 2, **parts}
    with torch.device("meta"):
        assert build(**own).coarsest_stride == stride
