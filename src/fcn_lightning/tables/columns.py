"""The columns of tables: their titles, how a value is written, and where values come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal["score", "run", "network", "bound", "entered"]


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        title: In the table's header.
        kind: Where its values come from: the scores of runs, other facts of runs, measurements of a
            row's network, upper bounds of a row's stride, or the answer of a test server.
        shown: Writes a value.
    """

    title: str
    kind: Kind
    shown: Callable[[float], str]


def column(name: str) -> Column:
    """Return a column by its name: `mean_iu`, or `geo/pixel_acc` of another head than the first.

    Raises:
        KeyError: There is none.
    """
    head, _, own = name.rpartition("/")
    found = COLUMNS[own]
    if head and found.kind != "score":
        raise KeyError(name)
    return replace(found, title=f"{head} {found.title}".strip())


def percent(fraction: float) -> str:
    """Write a fraction in percent: 0.627 as 62.7."""
    return f"{100 * fraction:.1f}"


def _whole(value: float) -> str:
    return f"{value:.0f}"


def _millions(value: float) -> str:
    return f"{value / 1e6:.0f}M" if value >= 9.5e6 else f"{value / 1e6:.1f}M".replace(".0M", "M")


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f}"


COLUMNS = {
    "pixel_acc": Column("pixel acc.", "score", percent),
    "mean_acc": Column("mean acc.", "score", percent),
    "mean_iu": Column("mean IU", "score", percent),
    "fw_iu": Column("f.w. IU", "score", percent),
    "seconds": Column("minutes", "run", _minutes),
    "forward_cpu": Column("ms, CPU", "network", _whole),
    "forward_gpu": Column("ms, GPU", "network", _whole),
    "num_convolutions": Column("conv.", "network", _whole),
    "num_parameters": Column("param.", "network", _millions),
    "receptive_field": Column("rf", "network", _whole),
    "classifier_receptive_field": Column("rf, pooled", "network", _whole),
    "max_stride": Column("stride", "network", _whole),
    "majority": Column("majority", "bound", percent),
    "bilinear": Column("majority, bilinear", "bound", percent),
    "nearest": Column("nearest", "bound", percent),
    "voc2011_test": Column("VOC2011 test", "entered", percent),
    "voc2012_test": Column("VOC2012 test", "entered", percent),
}
"""All columns by name. Scores and bounds are fractions, forward times milliseconds."""
