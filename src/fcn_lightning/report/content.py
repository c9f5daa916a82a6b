"""The content of a report as plain values, gathered from tables, records and the files of runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fcn_lightning.labels import VOID
from fcn_lightning.report.classes import ClassLine, Confusion, class_lines, confusions
from fcn_lightning.report.examples import Examples, examples
from fcn_lightning.report.facts import Fact, RunLine, facts, run_lines
from fcn_lightning.report.intervals import Intervals
from fcn_lightning.report.learning import Learning, learning
from fcn_lightning.report.measured import Member, measured_rows, members_by_classes
from fcn_lightning.tables.columns import column
from fcn_lightning.tables.definitions import Table
from fcn_lightning.tables.differences import row_differences
from fcn_lightning.tables.records import Finished, Records
from fcn_lightning.tables.report import footer, header, left_out_lines, lines
from fcn_lightning.tables.results import Result, Results, collect


@dataclass(frozen=True)
class Group:
    """A row's lines: ours, the paper's, and the difference of both."""

    title: str
    lines: list[tuple[str, ...]]


@dataclass(frozen=True)
class Head:
    """The findings on one set of classes.

    Attributes:
        name: The head that predicts them; empty where networks have one head.
        titles: The rows that predict them.
        legend: The color and the name of each class in the pictures.
    """

    name: str
    titles: list[str]
    lines: list[ClassLine]
    confusions: list[Confusion]
    examples: Examples | None
    legend: list[tuple[str, str]]


@dataclass(frozen=True)
class Section:
    """A table on one data set.

    Attributes:
        anchor: Its id in the page.
        num_run: The rows that have a value of ours, of `num_rows` that can have one.
        best: The row of ours with the highest mean IU; None where no row was run.
    """

    anchor: str
    table: Table
    data: str
    header: tuple[str, ...]
    groups: list[Group]
    notes: list[str]
    left_out: list[str]
    num_run: int
    num_rows: int
    best: Result | None
    differences: Intervals
    learning: Learning | None
    heads: list[Head]
    runs: list[RunLine]
    facts: list[Fact]


@dataclass(frozen=True)
class Content:
    """Everything in a report.

    Attributes:
        runs: The folder of runs.
        sections: Tables with a value of ours, one for each data set that networks were trained on.
        not_run: Tables without one, on the first data set of each.
        finished: All finished runs, and the anchors of the sections that count them.
    """

    runs: Path
    sections: list[Section]
    not_run: list[Section]
    finished: list[tuple[Finished, list[Section]]]
    unreadable: list[str]

    @property
    def num_tables(self) -> tuple[int, int]:
        """The number of tables with results, and of all tables."""
        num_run = len({section.table.id for section in self.sections})
        return num_run, num_run + len(self.not_run)

    @property
    def num_counted(self) -> int:
        """The number of finished runs that a table counts."""
        return sum(bool(sections) for _, sections in self.finished)

    @property
    def seconds(self) -> float:
        """The time of all finished runs."""
        return sum((run.record.seconds for run, _ in self.finished), 0.0)


def gather(
    runs: Path, tables: Sequence[Table], records: Records, config_dir: Path | None = None
) -> Content:
    """Gather what is known of some tables from records.

    Raises:
        ValueError: The seeds of a row were scored on different images.
    """
    sections, not_run = [], []
    for table in tables:
        found = [collect(table, data, records, config_dir) for data in table.data]
        trained = [results for results in found if any(row.ours for row in results.rows)]
        done = trained or [results for results in found if results.num_run]
        sections += [_section(table, results, records) for results in done]
        if not done:
            not_run.append(_section(table, found[0], records))
    counting: dict[str, list[Section]] = {}
    for section in sections:
        for run in section.runs:
            counting.setdefault(run.folder, []).append(section)
    finished = [(run, counting.get(str(run.folder), [])) for run in records.finished]
    unreadable = [f"{folder}: {why}" for folder, why, _ in records.unreadable]
    return Content(runs, sections, not_run, finished, unreadable)


def _section(table: Table, results: Results, records: Records) -> Section:
    rows = measured_rows(results.rows, records)
    anchor = f"{table.file_name}-{results.data}"
    measured = [each for each in results.rows if each.ours]
    return Section(
        anchor=anchor,
        table=table,
        data=results.data,
        header=header(table),
        groups=[Group(each.title, _lines(each, table)) for each in results.rows],
        notes=footer(table, results.rows),
        left_out=left_out_lines(results.left_out),
        num_run=results.num_run,
        num_rows=sum(bool(each.columns) for each in results.rows),
        best=max(measured, key=lambda each: each.ours.mean_iu if each.ours else 0, default=None),
        differences=Intervals(list(row_differences(results.rows, table.on(results.data).mean_iu))),
        learning=learning(anchor, rows),
        heads=[_head(c, members) for c, members in members_by_classes(rows).items()],
        runs=run_lines(rows),
        facts=facts(rows),
    )


def _lines(result: Result, table: Table) -> list[tuple[str, ...]]:
    """Return a row's lines without its title; the difference where both have a value."""
    found = [cells[1:] for cells in lines(result, table)]
    cells = [_difference(result, name) for name in table.columns]
    return [*found, ("difference", *cells, "ours - paper")] if any(cells) else found


def _difference(result: Result, name: str) -> str:
    ours, paper = result.value(name), result.paper.value(name)
    if ours is None or paper is None or column(name).kind not in ("score", "bound", "entered"):
        return ""
    return f"{100 * (ours[0] - paper):+.1f}"


def _head(classes: tuple[str, ...], members: Sequence[Member]) -> Head:
    shown = examples(members)
    name = next((each.head for each in members if each.head), "")
    return Head(
        name=name,
        titles=[each.row.title for each in members],
        lines=class_lines(classes, members),
        confusions=confusions(classes, members),
        examples=shown,
        legend=_legend(classes, shown) if shown else [],
    )


def _legend(classes: Sequence[str], shown: Examples) -> list[tuple[str, str]]:
    """Return the colors and names of the classes that occur in the pictures."""
    maps = [each.label for each in shown.shown]
    maps += [picture for each in shown.shown for _, picture in each.predictions]
    names = {**dict(enumerate(classes)), VOID: "void"}
    colors = {label: color for each in maps for label, color in each.colors.items()}
    return [(color, names[label]) for label, color in sorted(colors.items()) if label in names]
