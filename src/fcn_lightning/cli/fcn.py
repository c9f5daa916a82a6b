"""`fcn COMMAND`: every command but training."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from fcn_lightning.cli import (
    compare,
    dashboard,
    data,
    evaluate,
    export,
    import_,
    predict,
    report,
    runs,
    submission,
    table,
)
from fcn_lightning.cli.streams import escape_unprintable

app = typer.Typer(
    help="Fully convolutional networks: masks, scores, tables, weights, data. "
    "Training is `fcn-train`.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("predict")(predict.predict)
app.command("submission")(submission.submission)
app.command("evaluate")(evaluate.evaluate)
app.command("compare")(compare.compare)
app.command("report")(report.report)
app.add_typer(table.app, name="table")
app.add_typer(runs.app, name="runs")
app.command("dashboard")(dashboard.dashboard)
app.add_typer(data.app, name="data")
app.command("import")(import_.import_weights)
app.command("export")(export.export)


def _print_version(asked: bool) -> bool:
    if asked:
        typer.echo(f"fcn-lightning {version('fcn-lightning')}")
        raise typer.Exit
    return asked


@app.callback()
def _options(
    show_version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Options of the command itself."""


def main() -> None:
    """Run the command."""
    escape_unprintable()
    app()


if __name__ == "__main__":
    main()
