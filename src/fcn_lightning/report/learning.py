"""The learning curves of a table: training losses over steps and hours, and mean IU over steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fcn_lightning.report.charts import Line, line_chart
from fcn_lightning.report.measured import Measured
from fcn_lightning.tables.curves import curve, validations


@dataclass(frozen=True)
class Chart:
    """A chart, and what it shows in words."""

    title: str
    svg: str
    words: str


@dataclass(frozen=True)
class Learning:
    """Charts with the same lines; `legend` names them."""

    charts: list[Chart]
    legend: list[Line]


def learning(anchor: str, rows: Sequence[Measured]) -> Learning | None:
    """Draw the curves of each row's lowest seed; None where no run has logged a loss."""
    found = [(number, row, curve(row.ours)) for number, row in enumerate(rows)]
    logged = [(number, row, points) for number, row, points in found if len(points[0])]
    if not logged:
        return None
    over_steps = [Line(row.title, number, p[0], p[1]) for number, row, p in logged]
    hours = max(points[2].max() for _, _, points in logged) >= 120
    unit, divisor = ("hours", 60) if hours else ("minutes", 1)
    over_time = [Line(row.title, number, p[2] / divisor, p[1]) for number, row, p in logged]
    charts = [
        _chart(f"{anchor}-steps", "Training loss over steps", over_steps, "steps", "loss"),
        _chart(f"{anchor}-time", f"Training loss over {unit}", over_time, unit, "loss"),
    ]
    validated = [
        Line(row.title, number, steps, 100 * values)
        for number, row in enumerate(rows)
        for steps, values in [validations(row.ours)]
        if len(steps) > 1
    ]
    if validated:
        title = "Mean IU of validations over steps"
        charts.append(_chart(f"{anchor}-val", title, validated, "steps", "mean IU, percent"))
    return Learning(charts, over_steps)


def _chart(name: str, title: str, lines: Sequence[Line], x: str, y: str) -> Chart:
    ends = (f"{each.title} {_short(each.y[0])} to {_short(each.y[-1])}" for each in lines)
    return Chart(title, line_chart(name, lines, x, y), f"First to last point: {', '.join(ends)}.")


def _short(value: np.floating) -> str:
    return f"{value:.3g}"
