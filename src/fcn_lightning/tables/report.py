"""A table for the terminal, as Markdown, LaTeX and CSV, with a footer of how it was measured."""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import rich.table
from rich import box
from rich.text import Text

from fcn_lightning.tables.columns import column
from fcn_lightning.tables.definitions import Table
from fcn_lightning.tables.results import Ours, Result, describe

RECALLED = "*"
"""The mark of numbers that were not checked against the paper."""

NOTE = "Scores in percent; ours are means over the seeds ± the sample standard deviation. Paper: "
REPEATABLE = (
    "On a CPU, the same command repeats these scores exactly, with the same processor model, "
    "package versions, memory format, and number of processes and of threads. Elsewhere runs "
    "differ as seeds do."
)
MOST_LINES = 10
"""The runs that are named below a table."""


def terminal(table: Table, results: Sequence[Result]) -> rich.table.Table:
    """Return the lines of each row, ours and the paper's, with the footer as the caption."""
    caption = Text("\n".join(footer(table, results)))
    shown = rich.table.Table(
        title=table.title, caption=caption, box=box.SIMPLE, caption_justify="left"
    )
    *columns, last = header(table)
    for name in columns:
        shown.add_column(name, no_wrap=True)
    shown.add_column(last)
    for result in results:
        for cells in lines(result, table):
            shown.add_row(*cells)
        shown.add_section()
    return shown


def markdown(table: Table, data: str, results: Sequence[Result], picture: str | None) -> str:
    """Return the same as Markdown, with a picture of that name below unless it is None."""
    rows = [header(table), ("---",) * len(header(table))]
    rows += [line for result in results for line in lines(result, table)]
    text = f"# {table.title}\n\n"
    text += "".join(f"| {' | '.join(row)} |\n" for row in rows)
    text += "".join(f"\n{line}\n" for line in footer(table, results))
    text += f"\nMade by `fcn table run {table.id} --data {data}`.\n"
    return text + (f"\n![{table.title}]({picture})\n" if picture else "")


def as_csv(table: Table, results: Sequence[Result]) -> str:
    """Return the cells as comma-separated values."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("row", "of", *header(table)[2:]))
    for result in results:
        writer.writerows((result.title, *cells[1:]) for cells in lines(result, table))
    return text.getvalue()


def latex(table: Table, results: Sequence[Result]) -> str:
    """Return a `tabular` of the package booktabs; the footer is in comments."""
    columns = "ll" + "r" * len(table.columns) + "l"
    rows = [" & ".join(map(_escaped, line)) for result in results for line in lines(result, table)]
    body = [" & ".join(map(_escaped, header(table))), *rows]
    text = "".join(f"% {line}\n" for line in footer(table, results))
    text += f"\\begin{{tabular}}{{{columns}}}\n\\toprule\n{body[0]} \\\\\n\\midrule\n"
    text += "".join(f"{row} \\\\\n" for row in body[1:])
    return text + "\\bottomrule\n\\end{tabular}\n"


def header(table: Table) -> tuple[str, ...]:
    """Return the titles of the columns; a score of another head begins with its name."""
    return ("", "", *(column(name).title for name in table.columns), "measured on")


def lines(result: Result, table: Table) -> list[tuple[str, ...]]:
    """Return the cells of a row: ours where it can have one, and the paper's where it has one."""
    found = []
    if result.columns:
        found.append(("ours", *_our_cells(result, table)))
    printed = [result.paper.value(name) for name in table.columns]
    says = result.paper.says
    if says or any(value is not None for value in printed):
        mark = RECALLED if result.paper.recalled else ""
        cells = (_shown(name, value, mark) for name, value in zip(table.columns, printed))
        found.append(("paper", *cells, f"{says}{mark}" if says else table.source.split))
    return [(result.title if first else "", *cells) for first, cells in zip((True, False), found)]


def _our_cells(result: Result, table: Table) -> list[str]:
    """Return the cells of ours, the last of which says where the scores were measured."""
    values = [result.value(name) for name in table.columns]
    if not any(values):
        return ["not run", *[""] * len(table.columns)]
    cells = [
        _with_spread(name, *value) if value else "not run" if name in result.columns else ""
        for name, value in zip(table.columns, values)
    ]
    if (ours := result.ours) is None:
        return [*cells, ""]
    seeds = f"seed{'s' if len(ours.seeds) > 1 else ''} {_list(ours.seeds)}"
    return [*cells, f"{describe(ours.data, ours.split, ours.num_images)}, {seeds}"]


def footer(table: Table, results: Sequence[Result]) -> list[str]:
    """Say what the numbers are and how ours were measured."""
    note = f"{NOTE}{table.source}."
    if any(result.paper.recalled for result in results):
        note += f" {RECALLED} Recalled; not checked against the paper."
    how = dict.fromkeys(how for result in results for how in result.how)
    found = [note, *([f"Measured without training: {'; '.join(how)}."] if how else [])]
    measured = {result.title: result.ours for result in results if result.ours}
    if not measured:
        return found
    free = {key: None for ours in measured.values() for key in ours.free}
    facts = [
        _fact(measured, lambda o: f"{o.data}, {o.split}, {o.num_images} images"),
        _fact(measured, lambda o: f"precision {o.precision}"),
        _fact(measured, lambda o: f"processes: {_list(o.num_processes)}"),
        _fact(measured, lambda o: f"{o.steps} steps"),
        _fact(measured, lambda o: f"commit {_list([_short(each) for each in o.commits])}"),
        *(_fact(measured, partial(_free_value, key)) for key in free),
    ]
    others = [f"{r.title} is {r.stands_in}" for r in results if r.ours and r.stands_in]
    if others:
        facts.append(f"on these data, {', '.join(others)}")
    return [*found, f"Ours: {'; '.join(facts)}.", REPEATABLE]


def left_out_lines(left_out: Mapping[Path, str]) -> list[str]:
    """Name the runs that do not count, and the causes."""
    named = [f"not counted: {folder}: {why}" for folder, why in left_out.items()]
    more = len(named) - MOST_LINES
    return named if more <= 0 else [*named[:MOST_LINES], f"and {more} more"]


def _fact(measured: Mapping[str, Ours], words: Callable[[Ours], str]) -> str:
    """State a fact once where it holds for all rows, or else with the rows that it holds for."""
    titles: dict[str, list[str]] = defaultdict(list)
    for title, ours in measured.items():
        titles[words(ours)].append(title)
    if len(titles) == 1:
        return next(iter(titles))
    return ", ".join(f"{fact} ({_list(rows)})" for fact, rows in titles.items())


def _free_value(key: str, ours: Ours) -> str:
    return f"{key}={ours.free.get(key)}"


def _short(commit: str) -> str:
    """Shorten a commit to ten digits; `+` after it marks files that differ from it."""
    return commit[:10] + ("+" if commit.endswith("+") else "")


def _list(values: Sequence[Any]) -> str:
    return ", ".join(map(str, values))


def _escaped(cell: str) -> str:
    """Escape a cell for LaTeX."""
    escaped = re.sub(r"([&%$#_{}])", r"\\\1", cell)
    return escaped.replace("±", r"$\pm$").replace(RECALLED, r"$^*$")


def _shown(name: str, value: float | None, mark: str = "") -> str:
    return "" if value is None else column(name).shown(value) + mark


def _with_spread(name: str, mean: float, std: float | None) -> str:
    return _shown(name, mean) if std is None else f"{_shown(name, mean)} ± {_shown(name, std)}"
