"""Differences between our values and golden ones, and the rows of the table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Numbers = Any  # arrays, tensors, lists or single numbers

FORWARD, LARGE = 5e-5, 50  # maps: absolute, or in proportion where values are above LARGE
CLEAR = 1e-4  # the argmax is compared where the two largest scores differ by more
LOSS = 1e-4  # relative: Caffe sums in float32
GRADIENT, WEIGHT, CHANGE = 1e-4, 1e-5, 0.02  # in proportion to a layer's largest value
SCORE = 1e-9  # absolute: computed in float64 from whole numbers
IMAGE = 2e-5  # absolute: the reference subtracts VOC's mean in float64
KERNEL = 1e-7  # absolute: our kernels are float32, rounded once


class Row(NamedTuple):
    """A row of the table: the largest difference of one kind, and `where` it is."""

    network: str
    what: str
    difference: float
    tolerance: float
    ok: bool
    where: str


class Pair(NamedTuple):
    """A value of ours and a golden one, whose difference counts in multiples of `unit`."""

    name: str
    ours: Numbers
    golden: Numbers
    unit: float = 1.0

    def difference(self) -> tuple[float, str]:
        """The largest difference, and where it is.

        It is infinite for other shapes, for NaN on one side, and for any difference of unit 0.
        """
        ours, golden = (np.asarray(x, dtype=np.float64) for x in (self.ours, self.golden))
        if ours.shape != golden.shape:
            return np.inf, f"{self.name}, of shape {ours.shape} and not {golden.shape}"
        same = (ours == golden) | (np.isnan(ours) & np.isnan(golden))
        found = float(np.where(same, 0, np.abs(ours - golden)).max(initial=0))
        if found == 0:
            return 0.0, self.name
        return (np.inf if np.isnan(found) or not self.unit else found / self.unit), self.name


def compare(network: str, what: str, tolerance: float, pairs: Sequence[Pair]) -> list[Row]:
    """The row of some pairs, if there are any; `{}` in `what` stands for their number."""
    if not pairs:
        return []
    worst, where = max((pair.difference() for pair in pairs), key=lambda found: found[0])
    return [Row(network, what.format(len(pairs)), worst, tolerance, worst <= tolerance, where)]


def relative(name: str, ours: Numbers, golden: Numbers) -> Pair:
    """A pair whose difference counts in proportion to the largest golden value."""
    return Pair(name, ours, golden, largest(golden))


def map_unit(golden: Numbers) -> float:
    """The unit of a map's difference."""
    return max(1.0, largest(golden) / LARGE)


def largest(values: Numbers) -> float:
    """The largest absolute value."""
    return float(np.abs(np.asarray(values, dtype=np.float64)).max(initial=0))
