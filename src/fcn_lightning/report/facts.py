"""The facts of each run of a table: configuration, data, versions and machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fcn_lightning.report.measured import Measured
from fcn_lightning.runs.identity import differences
from fcn_lightning.runs.record import Record
from fcn_lightning.tables.records import Finished


@dataclass(frozen=True)
class RunLine:
    """A run of a row.

    Attributes:
        changes: The keys in which it differs from the first row's run of the same seed: key, value
            there, value here. None for that run itself.
        like: The seed of an earlier run of the row with the same changes.
    """

    title: str
    folder: str
    record: Record
    changes: list[tuple[str, Any, Any]] | None
    like: int | None = None


@dataclass(frozen=True)
class Fact:
    """A fact, and its values with the runs that have it; no runs are named if all have it."""

    name: str
    values: list[tuple[str, list[str]]]


def run_lines(rows: Sequence[Measured]) -> list[RunLine]:
    """Return the runs of all rows, in the order of the rows and seeds."""
    return [line for row in rows for line in _lines_of(row, rows[0])]


def facts(rows: Sequence[Measured]) -> list[Fact]:
    """State what runs were trained and scored on, and with which versions."""
    named = [
        (f"{row.title}, seed {run.record.seed}", run.record) for row in rows for run in row.runs
    ]
    found: dict[str, dict[str, list[str]]] = {}
    for title, record in named:
        for name, value in _facts(record):
            found.setdefault(name, {}).setdefault(value, []).append(title)
    return [
        Fact(
            name, [(value, [] if len(runs) == len(named) else runs) for value, runs in each.items()]
        )
        for name, each in found.items()
    ]


def _lines_of(row: Measured, base: Measured) -> Iterator[RunLine]:
    first = _changes(row.first, base)
    for run in row.runs:
        changes = _changes(run, base)
        is_like = run is not row.first and bool(changes) and changes == first
        like = row.first.record.seed if is_like else None
        yield RunLine(row.title, str(run.folder), run.record, changes, like)


def _changes(run: Finished, base: Measured) -> list[tuple[str, Any, Any]] | None:
    by_seed = {each.record.seed: each for each in base.runs}
    other = by_seed.get(run.record.seed, base.first)
    if run is other:
        return None
    found = differences(other.record.config, run.record.config)
    return [(key, theirs, ours) for key, (theirs, ours) in found.items()]


def _facts(record: Record) -> Iterator[tuple[str, str]]:
    lists = record.lists
    for kind, each in (("Training list", lists.get("train")), ("Scored list", lists.get("val"))):
        for one in each if isinstance(each, list) else [each] if each else []:
            yield kind, _list(one)
    if "num_train" in lists:
        left_out = lists.get("num_left_out", 0)
        yield "Images trained on", f"{lists['num_train']}, {left_out} left out that are scored"
    yield "Precision", record.precision
    yield "Processes", str(record.num_processes)
    if record.versions:
        yield "Versions", ", ".join(f"{name} {of}" for name, of in record.versions.items())


def _list(each: dict[str, Any]) -> str:
    return f"{each.get('list')}, {each.get('count')} images, SHA-256 {each.get('sha256')}"
