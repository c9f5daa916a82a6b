"""The papers' numbers and the head comment of an experiment file, as Markdown."""

from __future__ import annotations

from itertools import takewhile

from fcn_lightning.tables.definitions import Table, experiments_dir
from fcn_lightning.tables.report import RECALLED, header, lines
from fcn_lightning.tables.results import Result


def numbers(table: Table) -> str:
    """Return the rows for which the paper prints a number or a word, and their source."""
    found = [cells for row in table.rows for cells in lines(_paper_alone(table, row.id), table)]
    if not found:
        return f"The paper prints no numbers. {table.source}."
    rows = [header(table), ("---",) * len(header(table)), *found]
    text = "".join(f"| {row[0]} | {' | '.join(row[2:])} |\n" for row in rows)
    recalled = any(row.paper.recalled for row in table.rows)
    mark = f" {RECALLED} Recalled; not checked against the paper." if recalled else ""
    return f"{text}\nScores in percent. {table.source}.{mark}"


def lab_note(table: Table) -> str:
    """Return the comment at the head of a table's file: its first line, the others as they are."""
    path = experiments_dir() / f"{table.id}.yaml"
    comment = takewhile(lambda line: line.startswith("#"), path.read_text().splitlines())
    first, *others = [line.removeprefix("#").removeprefix(" ") for line in comment]
    facts = "\n".join(others).strip("\n")
    return f"{first}\n\n```\n{facts}\n```"


def _paper_alone(table: Table, row_id: str) -> Result:
    row = next(row for row in table.rows if row.id == row_id)
    return Result(id=row.id, title=row.title, columns=(), ours=None, paper=row.paper)
