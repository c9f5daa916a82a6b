import numpy as np
from PIL import Image

from fcn_lightning.labels import voc_palette
from fcn_lightning.visualize import colorize, gray, in_a_row, overlay, save_label

LABEL = np.array([[0, 1], [255, 15]], np.uint8)
GRAY = np.full((2, 2, 3), 100, np.uint8)


def test_colorize():
    assert colorize(LABEL, voc_palette()).tolist() == [
        [[0, 0, 0], [128, 0, 0]],
        [[224, 224, 192], [192, 128, 128]],
    ]


def test_overlay_mixes_all_but_the_background():
    assert overlay(GRAY, LABEL, voc_palette(), opacity=0.25).tolist() == [
        [[100, 100, 100], [107, 75, 75]],
        [[131, 131, 123], [123, 107, 107]],
    ]


def test_overlay_covers_three_fifths_unless_told_otherwise():
    assert overlay(GRAY, LABEL, voc_palette())[0, 1].tolist() == [117, 40, 40]


def test_overlay_leaves_its_inputs_alone():
    image, label = GRAY.copy(), LABEL.copy()
    overlay(image, label, voc_palette())
    assert (image == GRAY).all()
    assert (label == LABEL).all()


def test_pictures_in_a_row_have_four_white_columns_between_them():
    row = in_a_row([GRAY, colorize(LABEL, voc_palette()), GRAY[:, :1]])
    assert row.shape == (2, 2 + 2 + 1 + 2 * 4, 3)
    assert (row[:, :2] == GRAY).all()
    assert (row[:, 2:6] == 255).all()
    assert (row[:, 6:8] == colorize(LABEL, voc_palette())).all()
    assert (row[:, 8:12] == 255).all()
    assert (row[:, 12:] == GRAY[:, :1]).all()


def test_a_map_of_values_is_black_to_white():
    values = np.array([[2000.0, 2100.0], [2500.0, 3000.0]], np.float32)
    assert gray(values)[..., 0].tolist() == [[0, 26], [128, 255]]
    assert gray(np.full((2, 2), 7.0, np.float32)).tolist() == np.zeros((2, 2, 3)).tolist()


def test_a_saved_label_is_a_palette_png_of_the_labels(tmp_path):
    save_label(LABEL, voc_palette(), tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.mode == "P"
        assert np.array(picture).tolist() == LABEL.tolist()
        assert np.array(picture.convert("RGB")).tolist() == colorize(LABEL, voc_palette()).tolist()
