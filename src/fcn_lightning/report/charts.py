"""Charts as SVG inside the page, in the colors of its style sheet."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from numpy import ndarray

COLORS = {"#0000f0": "var(--text)", "#0000f1": "var(--line)"}
COLORS |= {f"#0000a{number}": f"var(--series-{number})" for number in range(7)}
"""The colors that are drawn, and the variables of the style sheet that replace them."""

DASHES = ("", "6 2", "2 2")
"""Of lines that have the same color."""

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.size": 10,
    "text.color": "#0000f0",
    "axes.labelcolor": "#0000f0",
    "axes.edgecolor": "#0000f1",
    "xtick.color": "#0000f0",
    "ytick.color": "#0000f0",
    "grid.color": "#0000f1",
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


@dataclass(frozen=True)
class Line:
    """A line of a chart; `number` decides how it is drawn, the same in all charts of a table."""

    title: str
    number: int
    x: ndarray
    y: ndarray

    @property
    def color(self) -> str:
        """The color, as a variable of the style sheet."""
        return f"var(--series-{self.number % 7})"

    @property
    def dashes(self) -> str:
        """The dashes, as SVG writes them."""
        return DASHES[self.number // 7 % len(DASHES)]


def line_chart(name: str, lines: Sequence[Line], x: str, y: str) -> str:
    """Draw lines over an axis; `name` makes the ids inside the SVG unique in the page."""
    with mpl.rc_context({**STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=(4.6, 3.0), layout="constrained")
        axes = figure.subplots()
        for line in lines:
            dashes = (0, tuple(map(int, line.dashes.split()))) if line.dashes else "solid"
            color = f"#0000a{line.number % 7}"
            marker = "o" if len(line.x) < 3 else None
            axes.plot(line.x, line.y, color=color, linestyle=dashes, marker=marker, linewidth=1.8)
        axes.locator_params(nbins=5)  # more labels overlap in a small chart
        axes.set(xlabel=x, ylabel=y)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True)
    return _for_page(buffer.getvalue(), name)


def _for_page(svg: str, name: str) -> str:
    """Leave the SVG's root alone, with no fixed size, unique ids and the page's colors."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r' (?:width|height)="[\d.]+pt"', "", svg, count=2)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'href="#', f'href="#{name}-', svg)
    svg = svg.replace("url(#", f"url(#{name}-")
    for drawn, shown in COLORS.items():
        svg = svg.replace(drawn, shown)
    return svg.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)
