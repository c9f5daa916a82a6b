from pathlib import Path

import numpy as np
import pytest

from fcn_lightning.runs.comparison import compare_classes, compare_images

HALF, WHOLE = [[1, 1], [1, 1]], [[2, 0], [0, 2]]


def run(folder: Path, *confusion: list[list[int]]) -> Path:
    folder.mkdir()
    names = [f"image{i}" for i in range(len(confusion))]
    np.savez(folder / "per_image.npz", names=names, confusion=np.array(confusion), average_over=[])
    return folder


def test_classes_and_images_by_hand(tmp_path: Path):
    """Right at 1 of 2 pixels of each class, the IU is 1 of 3; over both images 3 of 5."""
    a = run(tmp_path / "a", HALF, WHOLE)
    b = run(tmp_path / "b", HALF, HALF)
    for pair in compare_classes(a, b):
        assert (pair.a, pair.b) == pytest.approx((3 / 5, 2 / 6))
    first, second = compare_images(a, b)
    assert (first.name, first.a, first.b) == ("image1", 1.0, pytest.approx(1 / 3))
    assert (second.name, second.a) == ("image0", second.b)
