"""The table of `fcn fidelity`: golden values beside ours."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import typer
from rich.table import Table

from fcn_lightning.cli.tables import print_wide
from fcn_lightning.fidelity.compare import Row

COLUMNS = ("network", "what was compared", "largest difference", "tolerance", "ok")


def show(rows: Sequence[Row], *, as_json: bool, markdown: bool) -> None:
    """Prints the table, as JSON or for a page where that is asked for."""
    exceeded = sum(not row.ok for row in rows)
    if as_json:
        typer.echo(
            json.dumps({"ok": not exceeded, "rows": [as_plain(row) for row in rows]}, indent=1)
        )
    elif markdown:
        typer.echo(as_markdown(rows))
    else:
        table = Table(*COLUMNS)
        for row in rows:
            table.add_row(*cells(row), style="" if row.ok else "bold red")
        print_wide(table)
        typer.echo(f"{len(rows)} comparisons, {exceeded} beyond their tolerance.")


def cells(row: Row) -> tuple[str, ...]:
    """What stands in the columns; where the largest difference is, of one that is too large."""
    numbers = (
        f"{number:.0f}" if number.is_integer() else f"{number:.2g}"
        for number in (row.difference, row.tolerance)
    )
    return row.network, row.what, *numbers, "ok" if row.ok else f"NO: {row.note}"


def as_plain(row: Row) -> dict[str, object]:
    """A row as JSON has it; a difference that is not finite is null."""
    return {
        "network": row.network,
        "what": row.what,
        "difference": row.difference if math.isfinite(row.difference) else None,
        "tolerance": row.tolerance,
        "ok": row.ok,
        "where": row.note,
    }


def as_markdown(rows: Sequence[Row]) -> str:
    """The table in Markdown."""
    lines = [COLUMNS, ("---",) * len(COLUMNS), *map(cells, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
