"""Measuring what a table's rows print without training: their networks, and upper bounds."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from fcn_lightning.data import Splits
from fcn_lightning.labels import VOC, by_name, num_classes
from fcn_lightning.models import FCN
from fcn_lightning.models.measure import measure
from fcn_lightning.runs.compose import compose, without_hydra
from fcn_lightning.runs.data import read_data
from fcn_lightning.runs.run import network_of, refuse_missing
from fcn_lightning.runs.timing import forward_seconds
from fcn_lightning.tables.columns import Kind, column
from fcn_lightning.tables.definitions import Row, Table
from fcn_lightning.tables.plan import Wanted
from fcn_lightning.tables.records import Records
from fcn_lightning.tables.values import Values
from fcn_lightning.upper_bounds import upper_bounds

SIZE = (500, 500)
"""(h, w) of the image whose forward pass is timed (CVPR 2015, Table 1)."""

NUM_TRIALS = {"cpu": 5, "gpu": 20}
"""The forward passes whose mean is taken; 20 in the paper."""


def measure_missing(wanted: Wanted, records: Records) -> None:
    """Measure the wanted rows that lack a value which needs no training, and write the values.

    Networks are timed on a GPU if there is one, or else on the CPU. Bounds are computed again if
    there are overrides, which may select other images.

    Raises:
        ValueError: The data set cannot be read.
    """
    table, processor = wanted.table, "gpu" if torch.cuda.is_available() else "cpu"
    elsewhere = "forward_cpu" if processor == "gpu" else "forward_gpu"

    def lacks(row: Row, kind: Kind) -> bool:
        found = [each for each in records.values if each.counts_for(table, row, wanted.data)]
        known = {elsewhere, *(name for each in found for name in each.values)}
        return wanted.force or any(
            name not in known for name in table.columns if column(name).kind == kind
        )

    rows = [row for row in table.rows if not wanted.rows or row.id in wanted.rows]
    for row in rows:
        if row.network is not None and lacks(row, "network"):
            measure_network(table, row, processor).write(wanted.runs, processor)
    strided = [row for row in rows if row.stride is not None]
    if strided and (wanted.overrides or any(lacks(row, "bound") for row in strided)):
        for values in measure_bounds(table, strided, wanted.data, wanted.overrides):
            values.write(wanted.runs, "bounds")


def measure_network(table: Table, row: Row, processor: str) -> Values:
    """Count and time the network of a row, for the classes of PASCAL VOC, on `cpu` or `gpu`."""
    network = network_of(compose(["classifier=null", *(row.network or ())]), len(VOC))
    assert isinstance(network, FCN)  # the heads of tables are no classifiers
    trials, device = NUM_TRIALS[processor], "cuda" if processor == "gpu" else "cpu"
    counted = measure(network)
    seconds = forward_seconds(network, SIZE, trials, device)
    values = {**asdict(counted), f"forward_{processor}": 1000 * seconds}
    return Values(
        table=table.id,
        row=row.id,
        data=None,
        values={name: float(values[name]) for name in table.columns if name in values},
        network=row.network,
        how=f"forward passes of {SIZE[0]} x {SIZE[1]} pixels on {_name(processor)}",
    )


def measure_bounds(
    table: Table, rows: Sequence[Row], data: str, overrides: Sequence[str]
) -> list[Values]:
    """Compute the upper bounds of rows from the validation labels of a data set.

    Args:
        table: The table.
        rows: Rows with a stride.
        data: The data set of the table.
        overrides: Overrides of its configuration, such as `data.root=DIR`.

    Raises:
        ValueError: The data set cannot be read.
    """
    experiment = table.on(data).experiment
    own = [f"experiment={experiment}"] if experiment else []
    config = without_hydra(compose([*own, *overrides]))
    refuse_missing(config)
    splits = read_data(config.data)
    classes = next(iter(by_name(num_classes(splits.labels)).values()))
    strides = {row.id: row.stride for row in rows if row.stride is not None}
    bounds = upper_bounds(_first_labels(splits), classes, sorted(set(strides.values())))
    how = f"bounds from {len(splits.val)} label maps of {splits.name}, {splits.val_split}"
    return [
        Values(
            table=table.id,
            row=row,
            data=data,
            values={name: of_stride[stride] for name, of_stride in bounds.items()},
            how=how,
        )
        for row, stride in strides.items()
    ]


def _first_labels(splits: Splits) -> Iterator[Tensor]:
    """Yield the validation labels of the first head."""
    for i in range(len(splits.val)):
        yield next(iter(by_name(splits.val[i]["label"]).values()))


def _name(processor: str) -> str:
    """Name a processor: a GPU's model, or the CPU's with the number of threads."""
    if processor == "gpu":
        return torch.cuda.get_device_name()
    threads = torch.get_num_threads()
    return f"{_cpu_model()}, {threads} thread{'s' if threads > 1 else ''}"


def _cpu_model() -> str:
    """Return the model that Linux names, or else the architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.machine())
