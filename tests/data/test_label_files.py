"""Label files of each kind, written with PIL, against labels by hand."""

import numpy as np
import pytest
from PIL import Image

from fcn_lightning.data.classes import read_classes
from fcn_lightning.data.label_files import LabelReader, in_words

LABEL = np.array([[0, 1, 255], [1, 0, 0]], np.uint8)


def read(path, classes=("a", "b"), void=(255,)):
    return LabelReader(read_classes(list(classes)), void)(path)


def save(path, pixels, mode=None):
    picture = Image.fromarray(pixels)
    if mode == "P":
        picture.putpalette([200, 0, 0] * 256)
    picture.save(path)
    return path


@pytest.mark.parametrize("mode", ["L", "P", "RGB", "I;16"])
def test_indices_and_grey_values(tmp_path, mode):
    pixels = {"RGB": np.stack([LABEL] * 3, 2), "I;16": LABEL.astype(np.uint16)}.get(mode, LABEL)
    assert np.array_equal(read(save(tmp_path / "a.png", pixels, mode)), LABEL)


def test_one_bit(tmp_path):
    path = save(tmp_path / "a.png", LABEL == 1)
    assert np.array_equal(read(path), LABEL == 1)


def test_values_of_a_map(tmp_path):
    classes = [{"name": "a", "values": [0]}, {"name": "b", "values": [255, 1000]}]
    path = save(tmp_path / "a.png", np.array([[0, 255, 1000]], np.uint16))
    assert read(path, classes).tolist() == [[0, 1, 1]]


def test_zero_is_void(tmp_path):
    path = save(tmp_path / "a.png", np.array([[0, 1, 2]], np.uint8))
    assert read(path, void=(0,)).tolist() == [[255, 0, 1]]


def test_colors(tmp_path):
    content = {
        "classes": [{"name": "a", "color": [0, 0, 0]}, {"name": "b", "color": [10, 200, 30]}],
        "void_colors": [[255, 255, 255]],
    }
    reader = LabelReader(read_classes(content))
    colors = np.array([[0, 0, 0], [10, 200, 30], [255, 255, 255]], np.uint8)
    path = save(tmp_path / "a.png", colors[np.array([[0, 1, 2], [1, 0, 0]])])
    assert np.array_equal(reader(path), LABEL)
    colors[1] = 10, 200, 31
    path = save(tmp_path / "a.png", colors[np.array([[0, 1, 2], [1, 0, 0]])])
    with pytest.raises(ValueError, match=r"has the color \(10, 200, 31\), which `data.classes`"):
        reader(path)


@pytest.mark.parametrize(
    ("pixels", "classes", "void", "message"),
    [
        (LABEL + 1, ("a", "b"), (255,), "has the value 2. Use 0, 1 for the 2 classes, and 255 "),
        (LABEL, ("a", "b"), (), "has the value 255. Use 0, 1 for the 2 classes."),
        (LABEL, ("a", "b", "c", "d"), (0,), "has the value 255. Use 1 to 4 for the 4 classes"),
        (np.stack([LABEL, LABEL, LABEL + 1], 2), ("a", "b"), (255,), "it is an RGB mask, but the "),
    ],
)  # fmt: skip
def test_values_without_a_class_are_refused(tmp_path, pixels, classes, void, message):
    with pytest.raises(ValueError, match="the") as error:
        read(save(tmp_path / "a.png", pixels), classes, void)
    assert str(error.value).startswith(message)


def test_a_jpeg_and_floats_are_refused(tmp_path):
    with pytest.raises(ValueError, match="JPEG compression changes labels"):
        read(save(tmp_path / "a.jpg", LABEL))
    with pytest.raises(ValueError, match="got an image of mode F"):
        read(save(tmp_path / "a.tif", LABEL.astype(np.float32)))


def test_a_label_is_upright_as_its_image(tmp_path):
    exif = Image.Exif()
    exif[274] = 6  # shown after a quarter turn clockwise
    Image.fromarray(LABEL).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(read(tmp_path / "a.png"), np.rot90(LABEL, -1))


def test_values_in_words():
    assert in_words([0, 1, 2, 3, 7, 9, 10]) == "0 to 3, 7, 9, 10"
