"""Sizes, classes and void of what is read."""

import math
from pathlib import Path

import numpy as np
import pytest

from fcn_lightning.data import Example, File, SegmentationDataset
from fcn_lightning.data.contents import Contents, read_contents
from fcn_lightning.data.dataset import LabelRangeError
from fcn_lightning.labels import LabelSet

LETTERS = LabelSet("letters", ("x", "y", "z"))


def dataset(*labels, classes=LETTERS):
    """Examples of these label maps, or of errors that reading them raises."""

    def reader(label):
        def read(_):
            if isinstance(label, Exception):
                raise label
            return np.array(label, np.uint8)

        return read

    def image(label):
        shape = (1, 1) if isinstance(label, Exception) else np.shape(label)
        return File(Path(f"{shape}.png"), lambda _: np.zeros((*shape, 3), np.uint8))

    files = [
        (image(label), File(Path(f"{i}.mat"), reader(label))) for i, label in enumerate(labels)
    ]
    return SegmentationDataset([Example("a", *pair) for pair in files], classes)


def contents_of(own):
    *_, contents = read_contents(own)
    return contents


def test_frequencies_are_of_valid_pixels_and_void_of_all():
    contents = contents_of(dataset([[0, 0, 255], [1, 0, 255]], [[0, 1, 1, 255]]))
    assert contents.frequencies("") == pytest.approx([4 / 7, 3 / 7, 0])
    assert contents.void("") == pytest.approx(3 / 10)
    assert contents.num_images == 2


def test_sizes_are_ordered_by_their_pixels():
    contents = contents_of(dataset(np.zeros((2, 9)), np.zeros((4, 4)), np.zeros((5, 5))))
    assert (contents.smallest, contents.largest) == ((4, 4), (5, 5))


def test_broken_examples_are_named_and_not_counted():
    own = dataset([[0]], OSError("no file"), LabelRangeError("has the value 7."), [[3]], [[1]])
    contents = contents_of(own)
    assert contents.damaged == ["Cannot read the label map 1.mat: no file."]
    assert contents.out_of_range == [
        "The label map 2.mat has the value 7.",
        "The label map 3.mat has the value 3. Use 0 to 2 for the 3 classes, and 255 for void.",
    ]
    assert contents.frequencies("") == [0.5, 0.5, 0]
    assert contents.num_images == 5


def test_a_class_of_a_whole_image_counts_once():
    image = File(Path("a.png"), lambda _: np.zeros((4, 6, 3), np.uint8))
    contents = contents_of(SegmentationDataset([Example("a", image, 2)] * 3, LETTERS))
    assert contents.frequencies("") == [0, 0, 1]
    assert contents.largest == (4, 6)


def test_nothing_but_void_has_no_frequencies():
    contents = contents_of(dataset([[255]]))
    assert all(map(math.isnan, contents.frequencies("")))
    assert contents.void("") == 1


def test_nothing_that_was_read_has_neither():
    contents = Contents(LETTERS)
    assert all(map(math.isnan, [*contents.frequencies(""), contents.void("")]))


def test_examples_are_read_in_their_order():
    steps = [c.pixels[""].nonzero()[0].tolist() for c in read_contents(dataset([[0]], [[1]]))]
    assert steps == [[0], [0, 1]]
