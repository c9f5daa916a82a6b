from __future__ import annotations

import numpy as np
import pytest

from fcn_lightning.runs.intervals import compare


def test_means_are_over_the_sum_of_all_images() -> None:
    a = np.array([[[3, 1], [0, 4]], [[5, 0], [1, 2]]])
    b = np.array([[[4, 0], [0, 4]], [[5, 0], [0, 3]]])
    found = compare(a, b)
    assert found.a == pytest.approx((8 / 10 + 6 / 8) / 2)
    assert found.b == 1
    assert compare(a, b, classes=[1]).a == pytest.approx(6 / 8)


def test_equal_networks_do_not_differ() -> None:
    a = np.random.default_rng(0).integers(0, 50, (20, 3, 3))
    assert compare(a, a)[2:] == (0, 0)


def test_the_interval_is_the_one_of_a_plain_bootstrap() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 50, (2, 30, 3, 3)) + 80 * np.eye(3, dtype=int)

    def mean_iu(images: np.ndarray) -> float:
        hist = images.sum(0)
        return float(np.mean(np.diag(hist) / (hist.sum(0) + hist.sum(1) - np.diag(hist))))

    drawn = [rng.integers(30, size=30) for _ in range(4000)]
    low, high = np.quantile([mean_iu(a[i]) - mean_iu(b[i]) for i in drawn], (0.025, 0.975))
    found = compare(a, b, resamples=4000)
    assert found.low == pytest.approx(low, abs=0.1 * (high - low))
    assert found.high == pytest.approx(high, abs=0.1 * (high - low))
