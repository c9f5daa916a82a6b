"""The rows of a table that were run, each with the records of its runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fcn_lightning.runs.record import Record
from fcn_lightning.tables.records import Finished, Records
from fcn_lightning.tables.results import Ours, Result


@dataclass(frozen=True)
class Measured:
    """A row that was run; `runs` are in the order of the seeds."""

    title: str
    ours: Ours
    runs: list[Finished]

    @property
    def first(self) -> Finished:
        """The run of the lowest seed."""
        return self.runs[0]


@dataclass(frozen=True)
class Member:
    """One head of a row that was run.

    Attributes:
        row: The row.
        head: The head's name in records and files; empty for the first one.
    """

    row: Measured
    head: str

    def class_iu(self, record: Record) -> dict[str, float | None]:
        """Return the IU of each class of the head in a record of the row."""
        return heads_of(record)[self.head]


def measured_rows(results: Sequence[Result], records: Records) -> list[Measured]:
    """Return the rows that were run."""
    by_folder = {run.folder: run for run in records.finished}
    return [
        Measured(each.title, each.ours, [by_folder[Path(run)] for run in each.ours.runs])
        for each in results
        if each.ours
    ]


def heads_of(record: Record) -> dict[str, dict[str, float | None]]:
    """Return the IU of each class, by head; the first head has the name ""."""
    others = record.names_of("heads")[1:]
    found: dict[str, dict[str, float | None]] = {head: {} for head in ["", *others]}
    for name, value in record.class_iu.items():
        head = next((head for head in others if name.startswith(f"{head}/")), "")
        found[head][name.removeprefix(f"{head}/") if head else name] = value
    return found


def members_by_classes(rows: Sequence[Measured]) -> dict[tuple[str, ...], list[Member]]:
    """Group the heads of rows by their classes: what can be compared is together."""
    found: dict[tuple[str, ...], list[Member]] = {}
    for row in rows:
        for head, values in heads_of(row.first.record).items():
            found.setdefault(tuple(values), []).append(Member(row, head))
    return found
