"""A picture of the training losses of a table's rows, over steps and over time."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy import ndarray

from fcn_lightning.tables.results import Ours, Result

LOSS = "train/loss"
MEAN_IU = "val/mean_iu"
SMOOTHED = 20
"""The parts of a curve, each of which is drawn as its mean."""


def write_curves(results: Sequence[Result], path: Path) -> bool:
    """Draw the training loss of each row, from the lowest seed that counts.

    Time is the number of steps times the run's mean time for a step. Returns False, and writes no
    file, where no row has a loss.
    """
    curves = {each.title: curve(each.ours) for each in results if each.ours}
    found = {title: points for title, points in curves.items() if len(points[0])}
    if not found:
        return False
    figure = Figure(figsize=(9, 3.5), dpi=150, layout="constrained")
    over_steps, over_time = figure.subplots(1, 2, sharey=True)
    for title, (steps, losses, minutes) in found.items():
        over_steps.plot(steps, losses, label=title)
        over_time.plot(minutes, losses, label=title)
    over_steps.set(xlabel="steps", ylabel="training loss")
    over_time.set(xlabel="minutes")
    over_steps.legend()
    FigureCanvasAgg(figure)  # whatever backend is configured
    figure.savefig(path)
    return True


def curve(ours: Ours) -> tuple[ndarray, ndarray, ndarray]:
    """Return steps, training losses and minutes of a row's first run, one of each for a part.

    The arrays are empty where the run has no `metrics.csv` or logged no loss.
    """
    points = _logged(ours, LOSS)
    parts = np.array_split(points, min(SMOOTHED, len(points)) or 1)
    steps, losses = np.array([part.mean(0) for part in parts if len(part)]).reshape(-1, 2).T
    return steps, losses, steps / ours.steps * ours.seconds / 60


def validations(ours: Ours) -> tuple[ndarray, ndarray]:
    """Return the steps of a row's first run at which it was validated, and the mean IU there."""
    steps, values = _logged(ours, MEAN_IU).T
    return steps, values


def _logged(ours: Ours, name: str) -> Float[ndarray, "points 2"]:
    """Return steps and values that a row's first run logged; none without a `metrics.csv`."""
    path = Path(ours.runs[0]) / "metrics.csv"
    if not path.is_file():
        return np.empty((0, 2))
    with path.open(newline="") as file:
        rows = [(row["step"], row[name]) for row in csv.DictReader(file) if row.get(name)]
    return np.array(rows, float).reshape(-1, 2)
