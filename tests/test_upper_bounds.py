"""Hand-made maps."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from fcn_lightning.labels import VOID
from fcn_lightning.upper_bounds import (
    DEFINITIONS,
    STRIDES,
    bilinear,
    majority,
    nearest,
    upper_bounds,
)


def maps(*rows):
    return torch.tensor(rows, dtype=torch.uint8)


STEP = maps(
    [1, 1, 2, 2, 3],
    [1, 0, 2, 0, 0],
    [4, 4, 4, 4, 4],
)
"""Cells of 2 x 2: 1 1 / 1 0, 2 2 / 2 0, 3 / 0; below, 4 4, 4 4, 4."""


def test_majority_of_cells_that_may_be_smaller():
    assert torch.equal(
        majority(STEP, 2),
        maps([1, 1, 2, 2, 0], [1, 1, 2, 2, 0], [4, 4, 4, 4, 4]),  # of 3 and 0 the smaller
    )


def test_nearest_is_the_lower_right_of_the_middle_or_the_last():
    assert torch.equal(nearest(STEP, 2), maps([0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [4, 4, 4, 4, 4]))
    assert torch.equal(nearest(STEP, 3)[:, 0], maps([0, 0, 0])[0])
    assert torch.equal(nearest(STEP, 3)[0], maps([0, 0, 0, 0, 0])[0])


def test_void_is_a_candidate():
    label = maps([VOID, VOID, 1, VOID], [VOID, 3, 1, VOID])
    assert torch.equal(majority(label, 2), maps([VOID, VOID, 1, 1], [VOID, VOID, 1, 1]))
    assert torch.equal(nearest(label, 2)[0], maps([3, 3, VOID, VOID])[0])


def test_bilinear_moves_the_border_between_cells():
    """Three cells of 4 in a row, 0 1 0: between their centres, the larger weight decides.

    Below them is a row of 0, so that the middle cell's 1 shrinks to a bump: at distance d from its
    centre in each direction, 1 has (1 - dx/4) (1 - dy/4), and that is above one half or not.
    """
    label = torch.zeros(12, 12, dtype=torch.uint8)
    label[4:8, 4:8] = 1
    distance = np.abs(np.arange(12) - 5.5) / 4
    weight = np.outer(np.maximum(1 - distance, 0), np.maximum(1 - distance, 0))
    assert np.array_equal(bilinear(label, 4).numpy(), weight > 0.5)
    assert int(bilinear(label, 4).sum()) == 12  # of 16: the corners have 0.39


def test_bilinear_is_the_interpolation_of_all_maps():
    generator = torch.Generator().manual_seed(0)
    label = torch.randint(0, 5, (37, 50), dtype=torch.uint8, generator=generator)
    label[:, 20:40], label[30:] = 3, VOID
    coarse = majority(label, 8)[::8, ::8].long()
    ones = F.one_hot(coarse, 256).permute(2, 0, 1).double()[None]
    size = [8 * side for side in coarse.shape]
    enlarged = F.interpolate(ones, size, mode="bilinear", align_corners=False)[0, :, :37, :50]
    assert torch.equal(bilinear(label, 8).long(), enlarged.argmax(0))


@pytest.mark.parametrize("name", list(DEFINITIONS))
def test_a_map_at_stride_1_and_a_map_of_one_label_are_kept(name):
    assert torch.equal(DEFINITIONS[name](STEP, 1), STEP)
    one = torch.full((5, 7), 9, dtype=torch.uint8)
    assert torch.equal(DEFINITIONS[name](one, 128), one)


def test_mean_iu_over_the_maps_and_the_classes_that_occur():
    """Cells: 0, then 0 of 0 and 1, then 1. IU of 0: 3 / 4. IU of 1: 2 / 3. 2 is absent."""
    bounds = upper_bounds([maps([0, 0, 0, 1]), maps([1, 1])], num_classes=3, strides=[2])
    assert bounds["majority"][2] == pytest.approx((3 / 4 + 2 / 3) / 2)


def test_a_void_pixel_is_wrong_for_its_class_and_void_labels_do_not_count():
    """The first cell is void, and its pixel of class 1 is lost; the second one is 1.

    Of class 1, 3 of 4 pixels are right, and the pixel of class 0 is wrongly 1: 3 of 5.
    """
    label = maps([VOID, VOID, 1, 1], [VOID, 1, 0, 1])
    bounds = upper_bounds([label], num_classes=2, strides=[2])
    assert bounds["majority"][2] == pytest.approx((0 / 1 + 3 / 5) / 2)


def test_predictions_at_stride_1_are_perfect():
    bounds = upper_bounds([STEP], num_classes=21, strides=[1])
    assert bounds == {name: {1: 1.0} for name in DEFINITIONS}


def test_the_strides_are_the_papers():
    assert list(upper_bounds([STEP], 5)["nearest"]) == list(STRIDES) == [128, 64, 32, 16, 8, 4]


def test_a_stride_is_positive():
    with pytest.raises(ValueError, match=r"^`strides` must be 1 or more; got \[8, 0\]\.$"):
        upper_bounds([STEP], 5, strides=[8, 0])
