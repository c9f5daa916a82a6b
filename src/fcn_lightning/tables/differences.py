"""The difference of each row to another one, with a bootstrap interval over images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from fcn_lightning.runs.intervals import Difference
from fcn_lightning.tables.results import Ours, Result


@dataclass(frozen=True)
class RowDifference:
    """The difference in mean IU between a row and another one, on one seed."""

    title: str
    other: str
    seed: int
    found: Difference


def difference_lines(results: Sequence[Result], mean_iu: str = "mean_iu") -> Iterator[str]:
    """Say in a line for each row how it compares; see `row_differences`."""
    for each in row_differences(results, mean_iu):
        of_a, of_b, low, high = each.found
        yield (
            f"{each.title} - {each.other}: {100 * (of_a - of_b):+.1f} mean IU "
            f"(95 % of resampled image sets: {100 * low:+.1f} to {100 * high:+.1f}), "
            f"seed {each.seed}"
        )


def row_differences(results: Sequence[Result], mean_iu: str = "mean_iu") -> Iterator[RowDifference]:
    """Compare each row that was run with another one, on the first seed that both have.

    That is the row that it names, or else the one above that was run.

    Args:
        results: The rows of a table.
        mean_iu: The score that the table prints as mean IU.
    """
    measured = {result.id: result for result in results if result.ours}
    for above, result in pairwise(measured.values()):
        other = measured.get(result.versus) if result.versus else above
        if other is None or other.ours is None or result.ours is None:
            continue
        runs = _same_seed(other.ours, result.ours)
        if runs is None:
            continue
        from fcn_lightning.runs.comparison import compare_runs  # imports torch

        seed, run, its = runs
        try:
            found = compare_runs(run, its)[mean_iu]
        except (ValueError, OSError, KeyError):  # no scores of single images, or of other images
            continue
        yield RowDifference(result.title, other.title, seed, found)


def _same_seed(before: Ours, ours: Ours) -> tuple[int, Path, Path] | None:
    """Return the first common seed, and the runs of the later and the earlier row."""
    earlier, later = (dict(zip(row.seeds, row.runs)) for row in (before, ours))
    common = [seed for seed in ours.seeds if seed in earlier]
    if not common:
        return None
    return common[0], Path(later[common[0]]), Path(earlier[common[0]])
