"""Panels that the workspace and the reports share, of the names that runs log."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import wandb_workspaces.reports.v2 as wr
from wandb_workspaces.reports.v2.interface import PanelTypes

STEP = "trainer/global_step"  # W&B's own step counts calls, and differs after a resume
HOURS = "RelativeTime(Process)"


def curve(title: str, *names: str, x: str = STEP, **settings: Any) -> wr.LinePlot:
    """Draw values over steps; a group of runs is their mean, with a band from least to most."""
    return wr.LinePlot(
        title=title,
        x=x,
        y=list(names),
        groupby_aggfunc="mean",
        groupby_rangefunc="minmax",
        **settings,
    )


def bars(title: str, name: str) -> wr.BarPlot:
    """Draw a score as bars from 0 to 1; a group of runs is one bar, from least to most."""
    return wr.BarPlot(
        title=title,
        metrics=[name],
        range_x=(0, 1),
        groupby_aggfunc="mean",
        groupby_rangefunc="minmax",
    )


def three_in_a_row(panels: Iterable[wr.LinePlot | wr.BarPlot]) -> list[PanelTypes]:
    """Place the panels of a report side by side."""
    placed: list[PanelTypes] = []
    for i, panel in enumerate(panels):
        panel.layout = wr.Layout(x=8 * (i % 3), y=6 * (i // 3), w=8, h=6)
        placed.append(panel)
    return placed
