"""Class weights of a run, from labels of known frequencies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fcn_lightning.data import Example, File, LabelSet, SegmentationDataset, read_image
from fcn_lightning.runs.class_weights import class_weights, describe

SEM, GEO = LabelSet("sem", ("a", "b", "c")), LabelSet("geo", ("d", "e"))


def label(values: list[int]) -> File:
    """A label map of 1 x 4 with these values."""
    return File(Path(), lambda _: np.array([values], np.uint8))


@pytest.fixture
def train() -> SegmentationDataset:
    """Two images of 4 pixels: 4 of class a, 2 of b, none of c, 2 void; 6 of d and 2 of e."""
    Image.new("RGB", (4, 1)).save("image.png")
    image = File(Path("image.png"), read_image)
    labels = [([0, 0, 1, 255], [0, 0, 0, 1]), ([0, 0, 1, 255], [0, 0, 0, 1])]
    examples = [
        Example(f"{i}", image, {"sem": label(sem), "geo": label(geo)})
        for i, (sem, geo) in enumerate(labels)
    ]
    return SegmentationDataset(examples, {"sem": SEM, "geo": GEO})


def test_balanced_weights_are_those_of_the_valid_training_pixels(
    train: SegmentationDataset,
) -> None:
    weights = class_weights("balanced", train)
    assert weights["sem"].tolist() == pytest.approx([3 / 4, 3 / 2, 0])
    assert weights["geo"].tolist() == pytest.approx([4 / 6, 4 / 2])
    assert describe(weights, train.labels) == "a 0.75, b 1.5, c 0; d 0.667, e 2"


def test_weights_are_none_or_a_number_for_each_class(train: SegmentationDataset) -> None:
    assert class_weights(None, train) == {}
    single = SegmentationDataset([], SEM)
    assert class_weights((1.0, 2.0, 3.0), single)[""].tolist() == [1, 2, 3]
    with pytest.raises(ValueError, match=r".") as error:
        class_weights((1.0, 2.0), single)
    assert str(error.value) == (
        "`recipe.class_weights` must be one number for each class of a single head; got 2 numbers "
        "for 3 of sem. Use balanced, or null for none."
    )
    with pytest.raises(ValueError, match="got 3 numbers for 3 of sem, 2 of geo"):
        class_weights((1.0, 2.0, 3.0), train)
