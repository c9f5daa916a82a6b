from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fcn_lightning.tables import measuring
from fcn_lightning.tables.columns import column
from fcn_lightning.tables.definitions import Printed, Row, Table, read_table
from fcn_lightning.tables.plan import Wanted
from fcn_lightning.tables.records import Records, read_records
from fcn_lightning.tables.results import collect

NARROW = ["experiment=shapes", "head=fcn32s", "backbone.fc_widths=[16,16]"]


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("mean_iu", 0.627, "62.7"),
        ("seconds", 90.0, "1.5"),
        ("forward_gpu", 210.4, "210"),
        ("num_parameters", 134_346_581.0, "134M"),
        ("num_parameters", 5_995_077.0, "6M"),
        ("num_parameters", 285_798.0, "0.3M"),
        ("majority", 0.861, "86.1"),
    ],
)
def test_values_are_written_as_the_papers_write_them(name: str, value: float, shown: str):
    assert column(name).shown(value) == shown


def test_other_heads_have_scores_alone():
    assert column("geo/pixel_acc").title == "geo pixel acc."
    with pytest.raises(KeyError):
        column("geo/num_parameters")


@pytest.fixture
def networks(table: Table) -> Table:
    """A table of one narrow network, which is measured."""
    row = Row(id="narrow", title="narrow", network=NARROW)
    columns = ["mean_iu", "forward_cpu", "num_convolutions", "num_parameters", "max_stride"]
    return table.model_copy(update={"id": "own", "columns": columns, "rows": [row]})


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[tuple[int, int], int]]:
    """Takes the place of the clock: each forward pass takes 40 ms; lists sizes and trials."""
    calls: list[tuple[tuple[int, int], int]] = []

    def forward_seconds(network: object, size: tuple[int, int], trials: int, device: str) -> float:
        calls.append((size, trials))
        return 0.04

    monkeypatch.setattr(measuring, "forward_seconds", forward_seconds)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    return calls


def test_a_network_is_measured_once_and_its_values_are_read_again(
    networks: Table, runs: Path, timed: list[tuple[tuple[int, int], int]]
):
    wanted = Wanted(networks, "shapes", [0], runs)
    for _ in range(2):
        measuring.measure_missing(wanted, read_records(runs))
    assert timed == [((500, 500), 5)]
    (row,) = collect(networks, "shapes", read_records(runs)).rows
    widths = [3, 8, 8, 16, 16, 48, 48, 48, 96, 96, 96, 128, 128, 128]
    convolutions = sum(9 * a * b + b for a, b in zip(widths, widths[1:]))
    fully = 9 * 128 * 16 + 16 + 16 * 16 + 16 + 16 * 21 + 21
    assert row.values == {
        "forward_cpu": 40.0,
        "num_convolutions": 16,
        "num_parameters": convolutions + fully,
        "max_stride": 32,
    }
    assert row.ours is None
    assert row.how[0].startswith("forward passes of 500 x 500 pixels on ")


def test_values_of_another_network_do_not_count(
    networks: Table, runs: Path, timed: list[tuple[tuple[int, int], int]]
):
    measuring.measure_missing(Wanted(networks, "shapes", [0], runs), Records())
    row = networks.rows[0].model_copy(update={"network": ["experiment=shapes"]})
    other = networks.model_copy(update={"rows": [row]})
    assert collect(other, "shapes", read_records(runs)).rows[0].values == {}


def test_bounds_are_those_of_the_validation_labels(tiny_data: Path, runs: Path):
    table = read_table("upper_bounds")
    wanted = Wanted(table, "shapes", [0], runs, [f"paths.data={tiny_data}"])
    measuring.measure_missing(wanted, Records())
    rows = {row.id: row for row in collect(table, "shapes", read_records(runs)).rows}
    assert list(rows) == ["stride128", "stride64", "stride32", "stride16", "stride8", "stride4"]
    maps = sorted((tiny_data / "shapes/VOCdevkit/VOC2012/SegmentationClass").glob("*.png"))
    assert rows["stride16"].values["nearest"] == pytest.approx(nearest_mean_iu(maps, 16))
    for definition in ("majority", "bilinear", "nearest"):
        found = [rows[id_].values[definition] for id_ in ("stride64", "stride16", "stride4")]
        assert found == sorted(found)
    assert rows["stride4"].how == [f"bounds from {len(maps)} label maps of shapes, voc/val"]


def nearest_mean_iu(paths: list[Path], stride: int) -> float:
    """The mean IU of label maps against the labels at the centres of their cells."""
    pairs = np.zeros((256, 256), int)
    for path in paths:
        label = np.asarray(Image.open(path))
        y, x = (
            np.minimum(np.arange(side) // stride * stride + stride // 2, side - 1)
            for side in label.shape
        )
        np.add.at(pairs, (label, label[np.ix_(y, x)]), 1)
    pairs[255] = 0
    hits, labels, predictions = np.diag(pairs)[:7], pairs.sum(1)[:7], pairs.sum(0)[:7]
    union = labels + predictions - hits
    return float(np.mean(hits[union > 0] / union[union > 0]))


def test_a_broken_file_of_values_is_named(runs: Path):
    path = runs / "x.values.json"
    path.write_text('{"table": "cvpr2015/table1"}')
    with pytest.raises(ValueError, match=r"x\.values\.json does not hold values .* \(`row`: "):
        read_records(runs)


def test_a_row_that_is_measured_and_run_shows_both(
    table: Table, runs: Path, finish: Callable[..., Path], timed: list[object]
):
    row = table.rows[1].model_copy(update={"network": NARROW, "paper": Printed()})
    both = table.model_copy(update={"columns": ["mean_iu", "max_stride"], "rows": [row]})
    finish("shapes/fcn32s/seed0", (0.9, 0.5, 0.4, 0.8))
    measuring.measure_missing(Wanted(both, "shapes", [0], runs), Records())
    (found,) = collect(both, "shapes", read_records(runs)).rows
    assert found.value("mean_iu") == (0.4, None)
    assert found.value("max_stride") == (32, None)
