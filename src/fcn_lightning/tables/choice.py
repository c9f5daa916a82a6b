"""The runs of a row: one for each seed, all with the same values of the free keys."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from fcn_lightning.runs.identity import differences
from fcn_lightning.tables.criterion import Criterion, shortened
from fcn_lightning.tables.records import Finished


def choose(
    criterion: Criterion, finished: Sequence[Finished]
) -> tuple[list[Finished], dict[Path, str]]:
    """Choose the runs of a row, one for each seed, all with the same values of the free keys.

    The values with most seeds are taken, or the latest ones on a tie; of two runs of one seed, the
    later one.

    Returns:
        The runs by seed, and the runs that would count but for that, each with the cause.
    """
    groups: dict[str, list[Finished]] = defaultdict(list)
    for run in finished:
        same_head = run.record.head == criterion.expected.head
        if same_head and criterion.why_not(run.record) is None:
            groups[json.dumps(criterion.free_values(run.record.config))].append(run)
    if not groups:
        return [], {}
    chosen = max(groups.values(), key=lambda runs: (len(_by_seed(runs)), _last_written(runs)))
    by_seed = _by_seed(chosen)
    ours = criterion.free_values(chosen[0].record.config)
    left_out = {}
    for run in (run for runs in groups.values() for run in runs):
        if found := differences(criterion.free_values(run.record.config), ours):
            left_out[run.folder] = f"{shortened(found)} as in the row"
        elif (same := by_seed[run.record.seed]) is not run:
            left_out[run.folder] = f"seed {run.record.seed} is counted from {same.folder}"
    return [by_seed[seed] for seed in sorted(by_seed)], left_out


def _by_seed(runs: Sequence[Finished]) -> dict[int, Finished]:
    return {run.record.seed: run for run in sorted(runs, key=lambda run: run.written)}


def _last_written(runs: Sequence[Finished]) -> float:
    return max(run.written for run in runs)
