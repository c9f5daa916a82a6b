"""`fcn compare A B`: the difference between two runs, in mean IU, by class and by image."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from fcn_lightning.cli.errors import reported

MOST_IMAGES = 5

TITLES = {"mean_iu": "mean IU", "mean_iu_subset": "mean IU of the named classes"}


def compare(
    a: Annotated[Path, typer.Argument(help="A finished run's folder.")],
    b: Annotated[Path, typer.Argument(help="Another one, scored on the same images.")],
    traceback: Annotated[bool, typer.Option("--traceback", help="Full tracebacks.")] = False,
) -> None:
    """Compare the mean IU of two runs, with the bootstrap interval over images; classes; images."""
    from fcn_lightning.runs.comparison import compare_classes, compare_images, compare_runs
    from fcn_lightning.runs.record import read_record

    with reported(traceback):
        record = read_record(a)
        for name, (of_a, of_b, low, high) in compare_runs(a, b).items():
            head, _, score = name.rpartition("/")
            title = f"{head} {TITLES[score]}".strip()
            sys.stdout.write(
                f"{title}: {_difference(of_a, of_b)} "
                f"(95 % of resampled image sets: {100 * low:+.2f} to {100 * high:+.2f})\n"
            )
        classes = [name for name in record.class_iu if "/" not in name]
        sys.stdout.write("IU by class:\n")
        for name, pair in zip(classes, compare_classes(a, b)):
            sys.stdout.write(f"  {name}: {_difference(pair.a, pair.b)}\n")
        sys.stdout.write("Images whose mean IU differs most:\n")
        for pair in compare_images(a, b)[:MOST_IMAGES]:
            sys.stdout.write(f"  {pair.name}: {_difference(pair.a, pair.b)}\n")


def _difference(a: float, b: float) -> str:
    return f"{100 * a:.2f} - {100 * b:.2f} = {100 * (a - b):+.2f}"
