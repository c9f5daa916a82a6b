"""The golden values of tests/golden, with the networks on a GPU."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fidelity import Case, Row, cases_in, check_case
from fidelity.compare import FORWARD

DEVICE = "cuda"
CASES = cases_in(Path(__file__).parents[1] / "golden")
PASSES = [case for case in CASES if case.kind in ("forward", "extra", "stats")]
TRAJECTORIES = [case for case in CASES if case.kind == "train"]

MAP = 1e-4
"""Absolute, of maps up to 50, in proportion above: twice the CPU's, whose order of sums is Caffe's.

The losses, relative, have the CPU's 1e-4, and no pixel whose class is clear may be of another one.
"""


def rows(case: Case) -> list[Row]:
    """The comparisons of a file, which really took place on the GPU."""
    before = torch.cuda.memory_allocated(DEVICE)
    torch.cuda.reset_peak_memory_stats(DEVICE)
    found = check_case(case, DEVICE)
    assert torch.cuda.max_memory_allocated(DEVICE) > before
    return found


@pytest.mark.parametrize("case", PASSES, ids=lambda case: case.path.name)
def test_maps(case: Case) -> None:
    for row in rows(case):
        assert row.difference <= (MAP if row.tolerance == FORWARD else row.tolerance), row


@pytest.mark.parametrize("case", TRAJECTORIES, ids=lambda case: case.path.name)
def test_trajectories(case: Case) -> None:
    """By the CPU's tolerances, for these few updates amplify no rounding.

    Losses and gradients 1e-4, weights 1e-5, changes of weights 2e-2, relative to a layer's largest;
    on the CPU, every way of rounding keeps a tenth of them.
    """
    assert not [row for row in rows(case) if not row.ok]
