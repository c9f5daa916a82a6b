from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fidelity.__main__ import app

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """A folder with some of the project's golden files."""

    def make(*names: str) -> Path:
        place = tmp_path / "golden"
        place.mkdir(exist_ok=True)
        for name in names:
            shutil.copy(GOLDEN / name, place)
        return place

    return make


@pytest.fixture
def fidelity() -> Callable[..., Any]:
    """Run `python -m fidelity --json`; return its status and what it printed."""

    def run(place: Path) -> tuple[int, Any]:
        done = CliRunner().invoke(app, [str(place), "--json"])
        return done.exit_code, json.loads(done.stdout) if done.stdout else done.stderr

    return run
