"""The differences between rows, and where their intervals are on an axis around 0."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fcn_lightning.tables.differences import RowDifference


@dataclass(frozen=True)
class Intervals:
    """The differences of a table, drawn on an axis from -`reach` to `reach`, a fraction."""

    rows: Sequence[RowDifference]

    @property
    def reach(self) -> float:
        """The largest absolute value of an end or a middle of an interval."""
        values = [[d.low, d.high, d.a - d.b] for d in (row.found for row in self.rows)]
        return max((abs(value) for each in values for value in each), default=0.0) or 1.0

    @property
    def num_sure(self) -> int:
        """The number of differences whose interval does not hold 0."""
        return sum(row.found.low > 0 or row.found.high < 0 for row in self.rows)

    def place(self, value: float) -> float:
        """Return where a value is on the axis, in percent of its length."""
        return round(50 + 50 * value / self.reach, 2)
