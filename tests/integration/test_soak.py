"""The soak, in short: a run that is killed again and again ends as one that was not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).parents[2] / "benchmarks" / "soak.py"


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_killed_at_random_moments_it_ends_the_same(processes: int, tmp_path: Path) -> None:
    options = ["--kills", "3", "--processes", str(processes), "--folder", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, str(SOAK), *options], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1].endswith("; 0 ended differently")
