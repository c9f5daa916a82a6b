from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from fcn_lightning.tables.curves import curve, write_curves
from fcn_lightning.tables.definitions import Table
from fcn_lightning.tables.records import read_records
from fcn_lightning.tables.results import collect


def test_losses_are_averaged_over_parts_and_steps_become_minutes(
    table: Table, runs: Path, finish: Callable[..., Path], tmp_path: Path
):
    folder = finish("shapes/fcn32s/seed0", seconds=90.0)
    steps = range(1, 401)
    rows = [f"{step},{1 / step}," for step in steps]
    (folder / "metrics.csv").write_text("\n".join(["step,train/loss,val/mean_iu", *rows, "400,,1"]))
    results = collect(table, "shapes", read_records(runs)).rows
    ours = results[1].ours
    assert ours is not None
    found, losses, minutes = curve(ours)
    first = np.arange(1, 21)
    assert (found[0], losses[0]) == (10.5, np.mean(1 / first))
    assert len(found) == 20
    np.testing.assert_allclose(minutes, found / 450 * 1.5)  # 450 steps in 90 s
    assert write_curves(results, tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.size == (1350, 525)


def test_without_losses_there_is_no_picture(
    table: Table, runs: Path, finish: Callable[..., Path], tmp_path: Path
):
    finish("shapes/fcn32s/seed0")
    results = collect(table, "shapes", read_records(runs)).rows
    assert not write_curves(results, tmp_path / "curves.png")
    assert not (tmp_path / "curves.png").exists()
