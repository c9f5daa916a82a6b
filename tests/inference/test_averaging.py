"""Scores averaged over scales and the mirror image, against Pillow and NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from fcn_lightning.inference import Averaging

RAMP = np.linspace(0, 200, 8 * 12).reshape(8, 12).astype(np.float32)
BATCH = {"": torch.from_numpy(np.stack([RAMP, RAMP, RAMP]))[None]}


def first_column(image: torch.Tensor) -> torch.Tensor:
    """Scores that differ between an image and its mirror image."""
    return image[:, :1] + image[:, :1, :, :1]


def test_one_version_is_the_network_itself() -> None:
    scores = Averaging().scores(first_column, BATCH)
    np.testing.assert_array_equal(scores[""][0, 0], RAMP + RAMP[:, :1])


def test_the_mirror_image_counts_half() -> None:
    scores = Averaging(mirror=True).scores(first_column, BATCH)
    expected = RAMP + (RAMP[:, :1] + RAMP[:, -1:]) / 2
    np.testing.assert_allclose(scores[""][0, 0], expected, rtol=1e-6)


@pytest.mark.parametrize(("scale", "size"), [(0.5, (4, 6)), (2.0, (16, 24)), (1.25, (10, 15))])
def test_scales_resample_as_pillow_does(scale: float, size: tuple[int, int]) -> None:
    seen = []

    def network(image: torch.Tensor) -> torch.Tensor:
        seen.append(image[0, 0].numpy())
        return image[:, :1]

    scores = Averaging(scales=(scale,)).scores(network, BATCH)
    picture = Image.fromarray(RAMP).resize(size[::-1], Image.Resampling.BILINEAR)
    np.testing.assert_allclose(seen[0], np.asarray(picture), atol=1e-3)
    back = picture.resize((12, 8), Image.Resampling.BILINEAR)
    np.testing.assert_allclose(scores[""][0, 0], np.asarray(back), atol=1e-3)


def test_sizes_that_are_not_whole_are_padded() -> None:
    odd = {"": BATCH[""][:, :, :7, :11]}
    sizes = []

    def network(image: torch.Tensor) -> torch.Tensor:
        sizes.append(tuple(image.shape[2:]))
        return image[:, :1]

    scores = Averaging(scales=(0.75,)).scores(network, odd)
    assert sizes == [(6, 9)]  # of 8 x 12
    assert scores[""].shape == (1, 1, 7, 11)


def test_depths_are_not_interpolated() -> None:
    depth = {"": torch.tensor([[0.0, 9, 0, 9]]).repeat(4, 1)[None, None]}
    seen = []

    def network(image: torch.Tensor) -> torch.Tensor:
        seen.append(image)
        return image

    Averaging(scales=(1.5,)).scores(network, depth)
    assert set(seen[0].unique().tolist()) == {0.0, 9.0}


@pytest.mark.parametrize("scales", [(0.0,), (1.0, -1.0), (0.33,), ()])
def test_scales_that_do_not_work_are_refused(scales: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"positive multiples of 0\.05"):
        Averaging(scales=scales)
