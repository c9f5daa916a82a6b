from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from fcn_lightning.inference.outputs import (
    areas_of,
    draw_overlay,
    label_image,
    opened_scores,
)
from fcn_lightning.inference.predictor import Piece
from fcn_lightning.labels import LabelSet

OWN = LabelSet("own", ("sky", "sea"), ((9, 9, 9), (0, 0, 255)), ((0,), (200, 255)))
LABEL = np.array([[0, 1, 1]], np.uint8)


def saved(picture: Image.Image) -> Image.Image:
    picture.save("a.png")
    return Image.open("a.png")


def test_label_maps_hold_class_indices_in_the_colors_of_the_classes() -> None:
    with saved(label_image(LABEL, OWN, values=False)) as picture:
        assert (picture.mode, np.array(picture).tolist()) == ("P", [[0, 1, 1]])
        assert np.array(picture.convert("RGB"))[0].tolist() == [[9] * 3, *[[0, 0, 255]] * 2]


def test_label_maps_hold_the_values_of_label_files() -> None:
    with saved(label_image(LABEL, OWN, values=True)) as picture:
        assert (picture.mode, np.array(picture).tolist()) == ("P", [[0, 200, 200]])
        assert np.array(picture.convert("RGB"))[0].tolist() == [[9] * 3, *[[0, 0, 255]] * 2]
    large = LabelSet("large", ("sky", "sea"), None, ((7,), (1000,)))
    with saved(label_image(LABEL, large, values=True)) as picture:
        assert (picture.mode, np.array(picture).tolist()) == ("I;16", [[7, 1000, 1000]])
    without = LabelSet("without", ("sky", "sea"))
    with saved(label_image(LABEL, without, values=True)) as picture:
        assert np.array(picture).tolist() == [[0, 1, 1]]


def test_scores_are_written_piece_by_piece() -> None:
    expected = np.random.default_rng(0).normal(size=(2, 3, 5, 7)).astype(np.float32)
    with opened_scores(Path("a.npz"), (5, 7, 3)) as file:
        for rows in (slice(0, 2), slice(2, 5)):
            for columns in (slice(0, 4), slice(4, 7)):
                scores = torch.from_numpy(expected[:, :, rows, columns])
                file.add(Piece(rows, columns, {"": scores}), "", index=1)
    with np.load("a.npz") as archive:
        assert archive.files == ["scores"]
        np.testing.assert_array_equal(archive["scores"], expected[1].transpose(1, 2, 0))


def test_areas_are_pixels_and_fractions() -> None:
    assert areas_of(LABEL, OWN) == {
        "sky": {"pixels": 1, "fraction": 1 / 3},
        "sea": {"pixels": 2, "fraction": 2 / 3},
    }


def test_a_large_overlay_is_drawn_in_parts() -> None:
    image = np.full((600, 2, 3), 100, np.uint8)
    label = np.tile(np.array([0, 1], np.uint8), (600, 1))
    drawn = draw_overlay(image, label, OWN.palette)
    assert np.unique(drawn[:, 0]).tolist() == [45]  # 0.4 * 100 + 0.6 * 9
    assert (drawn[:, 1] == [40, 40, 193]).all()  # 0.4 * 100 + 0.6 * color


def test_a_depth_is_drawn_in_gray() -> None:
    drawn = draw_overlay(np.array([[0.0, 5, 10]], np.float32), np.zeros_like(LABEL), OWN.palette)
    assert drawn[0, :, 0].tolist() == [5, 56, 107]  # 0.4 of 0, 127 and 255, and 0.6 * 9
