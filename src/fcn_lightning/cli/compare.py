"""`fcn compare A B`: the difference in mean IU between two runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from fcn_lightning.cli.errors import reported

TITLES = {"mean_iu": "mean IU", "mean_iu_subset": "mean IU of the named classes"}


def compare(
    a: Annotated[Path, typer.Argument(help="A finished run's folder.")],
    b: Annotated[Path, typer.Argument(help="Another one, scored on the same images.")],
    traceback: Annotated[bool, typer.Option("--traceback", help="Full tracebacks.")] = False,
) -> None:
    """Compare the mean IU of two runs, with the bootstrap interval over images."""
    from fcn_lightning.runs.evaluate import compare_runs

    with reported(traceback):
        for name, (of_a, of_b, low, high) in compare_runs(a, b).items():
            head, _, score = name.rpartition("/")
            title = f"{head} {TITLES[score]}".strip()
            sys.stdout.write(
                f"{title}: {100 * of_a:.2f} - {100 * of_b:.2f} = "
                f"{100 * (of_a - of_b):+.2f} "
                f"(95 % of resampled image sets: {100 * low:+.2f} to {100 * high:+.2f})\n"
            )
