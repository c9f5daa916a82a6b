"""The difference of each row to the row above it, with a bootstrap interval over images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from fcn_lightning.runs.evaluate import compare_runs
from fcn_lightning.tables.results import Ours, Result


def difference_lines(results: Sequence[Result], mean_iu: str = "mean_iu") -> Iterator[str]:
    """Compare each row that was run with the one before it, on the first seed that both have.

    Args:
        results: The rows of a table.
        mean_iu: The score that the table prints as mean IU.
    """
    measured = [(result.title, result.ours) for result in results if result.ours]
    for (above, before), (title, ours) in pairwise(measured):
        runs = _same_seed(before, ours)
        if runs is None:
            continue
        seed, one, other = runs
        try:
            of_a, of_b, low, high = compare_runs(one, other)[mean_iu]
        except (ValueError, OSError, KeyError):  # no scores of single images, or of other images
            continue
        yield (
            f"{title} - {above}: {100 * (of_a - of_b):+.1f} mean IU "
            f"(95 % of resampled image sets: {100 * low:+.1f} to {100 * high:+.1f}), seed {seed}"
        )


def _same_seed(before: Ours, ours: Ours) -> tuple[int, Path, Path] | None:
    """Return the first common seed, and the runs of the later and the earlier row."""
    earlier, later = (dict(zip(row.seeds, row.runs)) for row in (before, ours))
    common = [seed for seed in ours.seeds if seed in earlier]
    if not common:
        return None
    return common[0], Path(later[common[0]]), Path(earlier[common[0]])
