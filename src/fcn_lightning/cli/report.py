"""`fcn report`: one HTML page of all tables and runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fcn_lightning.cli.errors import reported


def report(
    table_ids: Annotated[
        list[str] | None, typer.Argument(metavar="[TABLE]...", help="All, if none is named.")
    ] = None,
    out: Annotated[Path, typer.Option(help="The page; an older one is replaced.")] = Path(
        "report.html"
    ),
    runs: Annotated[Path, typer.Option(help="The folder of runs.")] = Path("runs"),
    config_dir: Annotated[
        Path | None, typer.Option(help="A folder of configs of your own.")
    ] = None,
    traceback: Annotated[bool, typer.Option("--traceback", help="Show full tracebacks.")] = False,
) -> None:
    """Write one HTML page of all tables and runs, from the records alone."""
    with reported(traceback):
        if not runs.is_dir():
            raise ValueError(f"There is no folder {runs}. Name the folder of runs with --runs DIR.")

        from fcn_lightning.files import check_target, replacing
        from fcn_lightning.report.content import gather
        from fcn_lightning.report.page import render
        from fcn_lightning.tables.definitions import read_table
        from fcn_lightning.tables.definitions import table_ids as all_ids
        from fcn_lightning.tables.records import read_records

        check_target(out, overwrite=True)
        tables = [read_table(each) for each in table_ids or all_ids()]
        page = render(gather(runs, tables, read_records(runs), config_dir)).encode()
        with replacing(out) as temporary:
            temporary.write_bytes(page)
        typer.echo(f"Written: {out} ({len(page) / 1e6:.1f} MB)")
