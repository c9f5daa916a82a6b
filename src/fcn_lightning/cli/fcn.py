"""`fcn COMMAND`: every command but training."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

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

UsageError: type[Any] = typer.BadParameter.__bases__[0]


class Commands(TyperGroup):
    """The commands; wrong options are refused in one sentence, as everything else is."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        standalone = options.pop("standalone_mode", True)
        try:
            status = super().main(*arguments, **{**options, "standalone_mode": False})
        except UsageError as error:
            if type(error).__name__ == "NoArgsIsHelpError":
                error.show()
            else:
                sys.stderr.write(f"{_usage(error)}\n")
            sys.exit(2)
        except typer.Abort:
            sys.stderr.write("Aborted.\n")
            sys.exit(1)
        if standalone:
            sys.exit(status if isinstance(status, int) else 0)
        return status


def _usage(error: Any) -> str:
    what = error.format_message().replace("Value error, ", "").rstrip(".")
    _, *names = error.ctx.command_path.split()
    end = "" if what.endswith("?") else "."
    return f"{what}{end} `{' '.join(['fcn', *names])} --help` lists the options."


app = typer.Typer(
    cls=Commands,
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
