"""How far ours is from the golden values: differences, tolerances, and the rows of the table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[Any]
Values = Mapping[str, Array]
Numbers = Array | Tensor | np.generic | int | float | list[Any]

FORWARD = 5e-5
"""Absolute, of maps and scores whose largest value is below LARGE; in proportion above.

The README's number is absolute. AlexNet's maps reach 308, where neighbouring float32 numbers are
3e-5 apart: Caffe's own pool5 (up to 137) is 6.2e-5 from ours in float64.
"""

LARGE = 50

CLEAR = 1e-4
"""The argmax is compared where the two largest scores differ by more."""

LOSS = 1e-4
"""Relative: Caffe sums in float32."""

GRADIENT = 1e-4
"""Of the largest gradient of a layer."""

WEIGHT = 1e-5
"""Of the largest weight of a layer."""

CHANGE = 0.02
"""Of the largest change of a layer."""

SCORE = 1e-9
"""Absolute, of what is computed in float64 from whole numbers."""


@dataclass(frozen=True)
class Row:
    """What was compared of a network or file, and how far it is off.

    `note` names where the difference is largest; its unit is in `what`.
    """

    network: str
    what: str
    difference: float
    tolerance: float
    note: str = ""

    @property
    def ok(self) -> bool:
        """Whether the tolerance is kept; not by a NaN."""
        return self.difference <= self.tolerance


class Comparison:
    """The largest difference of one kind over all the values of a file."""

    def __init__(self, network: str, tolerance: float) -> None:
        self.network, self.tolerance = network, tolerance
        self.count, self.worst, self.note = 0, 0.0, ""

    def add(self, name: str, ours: Numbers, golden: Numbers, unit: float = 1.0) -> None:
        """Compares two arrays; their difference counts in multiples of `unit`.

        Arrays of other sizes, NaN and a difference where `unit` is 0 are infinitely far off.
        """
        self.count += 1
        a, b = np.asarray(ours, dtype=np.float64), np.asarray(golden, dtype=np.float64)
        if a.shape != b.shape:
            self._worse(float("inf"), f"{name}, of shape {a.shape} and not {b.shape}")
            return
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        difference = float(np.where(same, 0, np.abs(a - b)).max(initial=0))
        if difference and unit:
            difference /= unit
        elif difference or np.isnan(difference):
            difference = float("inf")
        self._worse(float("inf") if np.isnan(difference) else difference, name)

    def _worse(self, difference: float, note: str) -> None:
        if difference > self.worst or not self.note:
            self.worst, self.note = difference, note

    def row(self, what: str) -> Row:
        """The table's row; `{}` in `what` stands for how many arrays were compared."""
        return Row(self.network, what.format(self.count), self.worst, self.tolerance, self.note)


def map_unit(golden: Numbers) -> float:
    """In what a map's differences are counted: 1, or more where its values are large."""
    return max(1.0, largest(golden) / LARGE)


def largest(values: Numbers) -> float:
    """The largest absolute value."""
    return float(np.abs(np.asarray(values, dtype=np.float64)).max(initial=0))
