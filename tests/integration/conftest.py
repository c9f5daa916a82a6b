"""A tiny embedded set, and runs on it that take seconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fcn_lightning.data import shapes


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`paths.data` of an embedded set of 6 + 5 scenes and 12 + 6 single shapes."""
    data = tmp_path_factory.mktemp("data")
    counts = {"TRAIN": 6, "VAL": 5, "SHARED": 2, "SINGLE_TRAIN": 12, "SINGLE_VAL": 6}
    with pytest.MonkeyPatch.context() as patch:
        for name, count in counts.items():
            patch.setattr(shapes, f"NUM_{name}", count)
        shapes.draw(data / "shapes")
    return data


@pytest.fixture
def tiny(tiny_data: Path, tmp_path: Path) -> Callable[..., list[str]]:
    """Overrides of a run of two updates under `tmp_path`; the last of two for one key counts."""

    def overrides(*own: str, classifier: str | None = "null") -> list[str]:
        common = [
            f"paths.data={tiny_data}",
            f"paths.runs={tmp_path / 'runs'}",
            "trainer=cpu",
            "num_workers=0",
            "logger=csv",
            "recipe.max_steps=2",
            "recipe.val_every=2",
            "recipe.batch=2",
            "backbone.widths=[4,4,8,8,8]",
            "backbone.fc_widths=[16,16]",
        ]
        start = [] if classifier is None else [f"classifier={classifier}"]
        return [*start, *common, *own]

    return overrides
