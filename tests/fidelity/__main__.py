"""`python -m fidelity FOLDER`: the table of golden values beside ours."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from fcn_lightning.cli.errors import reported
from fidelity import Row, check_folder

COLUMNS = ("network", "what was compared", "largest difference", "tolerance", "ok")

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    folder: Annotated[Path, typer.Argument(help="Files as the golden README has them.")] = Path(
        "tests/golden"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    traceback: Annotated[bool, typer.Option("--traceback", help="Print full tracebacks.")] = False,
) -> None:
    """Compare every golden value of a folder with ours; status 1 if a tolerance is exceeded."""
    with reported(traceback):
        rows = check_folder(folder)
    exceeded = sum(not row.ok for row in rows)
    if as_json:
        plain = [
            {
                **row._asdict(),
                "difference": row.difference if math.isfinite(row.difference) else None,
            }
            for row in rows
        ]
        typer.echo(json.dumps({"ok": not exceeded, "rows": plain}, indent=1))
    elif markdown:
        lines = [COLUMNS, ("---",) * len(COLUMNS), *map(_cells, rows)]
        typer.echo("\n".join(f"| {' | '.join(line)} |" for line in lines))
    else:
        table = Table(*COLUMNS)
        for row in rows:
            table.add_row(*_cells(row), style="" if row.ok else "bold red")
        Console(width=None if sys.stdout.isatty() else 130).print(table)
        typer.echo(f"{len(rows)} comparisons, {exceeded} beyond their tolerance.")
    sys.exit(1 if exceeded else 0)


def _cells(row: Row) -> tuple[str, ...]:
    """The cells of a row, with the place of a difference that is too large."""
    numbers = (
        f"{number:.0f}" if number.is_integer() else f"{number:.2g}"
        for number in (row.difference, row.tolerance)
    )
    return row.network, row.what, *numbers, "ok" if row.ok else f"NO: {row.where}"


if __name__ == "__main__":
    app()
