"""`fcn dashboard`: a Weights & Biases workspace, and a report for each table."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from fcn_lightning.cli.errors import reported


def dashboard(
    entity: Annotated[str, typer.Option(help="The W&B user or team.")],
    project: Annotated[str, typer.Option(help="The W&B project that has the runs.")],
    named: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TABLE]... [-- KEY=VALUE...]",
            help="Tables with a report (all), and free keys as given to `fcn table run`.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print it; send nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it; send nothing.")] = False,
    runs: Annotated[Path, typer.Option(help="The folder of runs, for the images shown.")] = Path(
        "runs"
    ),
    traceback: Annotated[bool, typer.Option("--traceback", help="Show full tracebacks.")] = False,
) -> None:
    """Save a W&B workspace and a report for each table, in place of those of an earlier call."""
    with reported(traceback):
        check_installed()
        from fcn_lightning.dashboards import outline
        from fcn_lightning.dashboards.row_runs import check_given, not_given
        from fcn_lightning.dashboards.table_report import table_report
        from fcn_lightning.dashboards.workspace import pictures_below, workspace
        from fcn_lightning.tables.definitions import read_table, table_ids

        given = [each for each in named or [] if "=" in each]
        names = [each for each in named or [] if each not in given]
        tables = [read_table(name) for name in names or table_ids()]
        check_given(tables, given)
        view = workspace(tables, entity, project, pictures_below(runs))
        reports = [table_report(table, entity, project, given) for table in tables]
        if as_json:
            specifications = {each.title: outline.specification(each) for each in reports}
            typer.echo(
                json.dumps(
                    {"workspace": outline.specification(view), "reports": specifications}, indent=1
                )
            )
        elif dry_run:
            typer.echo(f"Nothing is sent to {entity}/{project}. It would get:")
            for lines in (outline.workspace_lines(view), *map(outline.report_lines, reports)):
                typer.echo("\n" + "\n".join(lines))
        else:
            from fcn_lightning.dashboards.saving import save

            for address in save(view, reports):
                typer.echo(f"Saved: {address}")
        if missing := not_given(tables, given):
            typer.echo(
                f"Runs with {' or '.join(missing)} on their command line are found only with the "
                f"same value here: -- {missing[0]}=VALUE",
                err=True,
            )


def check_installed() -> None:
    """Refuse to go on without the optional package.

    Raises:
        ValueError: The message says how to install it.
    """
    if find_spec("wandb_workspaces") is None:
        raise ValueError(
            "`fcn dashboard` needs wandb-workspaces. Install it with "
            "pip install 'fcn-lightning[dashboards]'."
        )
