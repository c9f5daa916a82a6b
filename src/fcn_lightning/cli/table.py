"""`fcn table list|show|run`: the papers' tables, with our scores beside their numbers."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fcn_lightning.cli.errors import reported

if TYPE_CHECKING:
    from fcn_lightning.launch.job import Job
    from fcn_lightning.tables.definitions import Table
    from fcn_lightning.tables.plan import Wanted
    from fcn_lightning.tables.results import Results

app = typer.Typer(help="The papers' tables, with our scores beside.", no_args_is_help=True)

TableId = Annotated[
    str,
    typer.Argument(metavar="TABLE", help="As `fcn table list` names it, or a file of your own."),
]
Runs = Annotated[Path, typer.Option(help="The folder of runs.")]
ConfigDir = Annotated[Path | None, typer.Option(help="A folder of configs of your own.")]
Traceback = Annotated[bool, typer.Option("--traceback", help="Show full tracebacks.")]


@app.command("list")
def list_tables(
    table_ids: Annotated[
        list[str] | None, typer.Argument(metavar="[TABLE]...", help="All, if none is named.")
    ] = None,
    cost: Annotated[
        bool, typer.Option("--cost", help="Steps and estimated time of a seed; times steps first.")
    ] = False,
    runs: Runs = Path("runs"),
    config_dir: ConfigDir = None,
    traceback: Traceback = False,
) -> None:
    """List tables, with the rows that are done on each data set."""
    with reported(traceback):
        from fcn_lightning.tables import definitions
        from fcn_lightning.tables.records import read_records
        from fcn_lightning.tables.results import collect

        records = read_records(runs)
        estimate = _estimates(config_dir) if cost else None
        for table in map(definitions.read_table, table_ids or definitions.table_ids()):
            typer.echo(f"{table.id}  {table.title}. {table.source}.")
            for data in table.data:
                results = collect(table, data, records, config_dir)
                num_rows = sum(bool(result.columns) for result in results.rows)
                line = f"  --data {data}: {results.num_run} of {num_rows} rows done"
                if estimate and any(result.is_run for result in results.rows):
                    line += f"; {estimate(table, data)}"
                typer.echo(line)


def _estimates(config_dir: Path | None) -> Callable[[Table, str], str]:
    """Return a function that says what a table costs on a data set."""
    from fcn_lightning.launch.status import duration  # imports torch, as the next one
    from fcn_lightning.tables.cost import Costs

    costs = Costs(config_dir, tell=lambda line: typer.echo(line, err=True))

    def estimate(table: Table, data: str) -> str:
        cost = costs.of(table, data)
        return f"{cost.steps:,} steps, about {duration(cost.seconds)} for a seed"

    return estimate


@app.command()
def show(
    table_id: TableId,
    data: Annotated[str | None, typer.Option(help="Default: the one with most rows.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON alone, in fractions.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Markdown alone.")] = False,
    as_latex: Annotated[bool, typer.Option("--latex", help="LaTeX alone, for booktabs.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Comma-separated values alone.")] = False,
    runs: Runs = Path("runs"),
    config_dir: ConfigDir = None,
    traceback: Traceback = False,
) -> None:
    """Print a table, ours and the paper's, from the runs that have the rows' configurations."""
    from fcn_lightning.tables import report
    from fcn_lightning.tables.definitions import read_table
    from fcn_lightning.tables.records import read_records
    from fcn_lightning.tables.results import collect, collect_default

    with reported(traceback):
        if as_json + as_markdown + as_latex + as_csv > 1:
            raise ValueError("Choose one of --json, --markdown, --latex and --csv.")
        table, records = read_table(table_id), read_records(runs)
        if data is None:
            results = collect_default(table, records, config_dir)
        else:
            results = collect(table, data, records, config_dir)
        if not (as_json or as_markdown or as_latex or as_csv):
            print_table(table, results)
            return
        if as_json:
            text = json.dumps([result.as_json() for result in results.rows], indent=1)
        elif as_markdown:
            text = report.markdown(table, results.data, results.rows, None)
        else:
            text = (report.latex if as_latex else report.as_csv)(table, results.rows)
        typer.echo(text.removesuffix("\n"))
        print_left_out(results, err=True)


@app.command()
def run(
    table_id: Annotated[
        str | None,
        typer.Argument(
            metavar="TABLE", help="As `fcn table list` names it, or a file of your own."
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Argument(help="After `--`: passed on to every run.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All tables that have the data.")] = False,
    data: Annotated[str, typer.Option(help="The data to run it on.")] = "shapes",
    rows: Annotated[str, typer.Option(help="Ids of rows, separated by commas; all.")] = "",
    seeds: Annotated[str, typer.Option(help="Whole numbers, separated by commas.")] = "0,1,2",
    force: Annotated[bool, typer.Option("--force", help="Do complete runs again, too.")] = False,
    runs: Runs = Path("runs"),
    config_dir: ConfigDir = None,
    traceback: Traceback = False,
) -> None:
    """Do what is missing in a table, print it, and write it as Markdown.

    Networks are measured and upper bounds computed first. Then the missing runs are trained on all
    GPUs. A run counts if it was trained with the row's configuration. Runs that were stopped are
    resumed.
    """
    began = time.perf_counter()
    with reported(traceback):
        from fcn_lightning.tables import plan
        from fcn_lightning.tables.definitions import read_table, tables_on

        given = list(overrides or [])
        if every:
            given = [table_id, *given] if table_id else given
            tables = tables_on(data)
        elif table_id is None:
            raise ValueError("Name a table, as `fcn table list` does, or use --all.")
        else:
            tables = [read_table(table_id)]
        wanted = [
            plan.Wanted(
                table, data, numbers(seeds), runs, given, force, config_dir,
                list(filter(None, rows.split(","))),
            )
            for table in tables
        ]  # fmt: skip
        jobs: list[Job] = []
        for each in wanted:
            jobs += _run_table(each, startup=time.perf_counter() - began)
            began = time.perf_counter()
    if failed := [job for job in jobs if job.state != "done"]:
        typer.echo(f"{len(failed)} of {len(jobs)} runs failed:")
        for job in failed:
            typer.echo(f"  {job.run.experiment}/{job.run.name}: {job.state}, {job.why}")
        raise typer.Exit(1)


@app.command()
def enter(
    table_id: TableId,
    row: Annotated[str, typer.Argument(metavar="ROW", help="The id of a row, such as fcn8s.")],
    scores: Annotated[
        list[str], typer.Argument(metavar="COLUMN=PERCENT...", help="voc2012_test=62.2")
    ],
    date: Annotated[str, typer.Option(help="Of the server's answer: 2026-11-28.")],
    data: Annotated[str, typer.Option(help="The data that the network was trained on.")] = "voc",
    runs: Runs = Path("runs"),
    traceback: Traceback = False,
) -> None:
    """Enter the scores that a test server answered, in percent as it prints them."""
    with reported(traceback):
        from fcn_lightning.tables.definitions import read_table
        from fcn_lightning.tables.entered import entered

        table = read_table(table_id)
        values = entered(table, row, data, scores, date)
        path = values.write(runs, "entered")
        typer.echo(f"Written: {path}")


def numbers(seeds: str) -> list[int]:
    """Return the seeds of "0,1,2", each once.

    Raises:
        ValueError: It does not read so.
    """
    if not re.fullmatch(r"\d+(,\d+)*", seeds):
        raise ValueError(f"`--seeds` takes whole numbers, separated by commas; got '{seeds}'.")
    return sorted(set(map(int, seeds.split(","))))


def print_table(table: Table, results: Results) -> None:
    """Print a table for the terminal's width, or 130 columns, and the runs that do not count."""
    from rich.console import Console

    from fcn_lightning.tables.differences import difference_lines
    from fcn_lightning.tables.report import terminal

    Console(width=None if sys.stdout.isatty() else 130).print(terminal(table, results.rows))
    for line in difference_lines(results.rows, table.on(results.data).mean_iu):
        typer.echo(line)
    print_left_out(results)


def print_left_out(results: Results, *, err: bool = False) -> None:
    """Name the runs that do not count."""
    from fcn_lightning.tables.report import left_out_lines

    for line in left_out_lines(results.left_out):
        typer.echo(line, err=err)


def _run_table(wanted: Wanted, startup: float) -> list[Job]:
    """Do what is missing in a table, print and write it; return the runs that were missing."""
    from fcn_lightning.tables import measuring, plan, training
    from fcn_lightning.tables.records import read_records

    records = read_records(wanted.runs)
    planned = plan.plan(wanted, records)
    missing = plan.to_do(wanted, planned)
    jobs = training.jobs_of(missing)
    measuring.measure_missing(wanted, records)
    if planned:
        num_done = len([each for each in planned if each.counting and each not in missing])
        num_runs = num_done + len(missing)
        typer.echo(f"{num_runs} runs: {num_done} complete, {len(missing)} to do.")
    if jobs:
        _train(wanted, jobs, startup)
    _write(wanted)
    return jobs


def _train(wanted: Wanted, jobs: Sequence[Job], startup: float) -> None:
    """Print an estimate, train the jobs, and say after Ctrl-C how to continue."""
    from fcn_lightning.launch.status import duration
    from fcn_lightning.tables import training

    try:
        remaining = training.remaining(jobs, startup)
        runs = f"{len(jobs)} run{'s' if len(jobs) > 1 else ''}"
        about = f"about {duration(remaining(jobs))} for {runs}"
        typer.echo(f"Estimate: {about} (from timed steps on this machine)")
    except RuntimeError as error:  # such as too little memory, which may be free later
        remaining = None
        typer.echo(f"No estimate: {str(error).splitlines()[0]}")
    try:
        training.train(wanted, jobs, remaining)
    except SystemExit:
        without = " without --force" if wanted.force else ""
        typer.echo(f"Run the same command again{without} to continue.")
        raise


def _write(wanted: Wanted) -> None:
    """Print a table, write it below `runs`/tables, and say where."""
    from fcn_lightning.tables import report
    from fcn_lightning.tables.curves import write_curves
    from fcn_lightning.tables.picture import write_picture
    from fcn_lightning.tables.records import read_records
    from fcn_lightning.tables.results import collect

    table, records = wanted.table, read_records(wanted.runs)
    results = collect(table, wanted.data, records, wanted.config_dir)
    print_table(table, results)
    path = wanted.runs / "tables" / f"{table.file_name}-{wanted.data}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = path.with_suffix(".png")
    draw = write_curves if table.picture == "curves" else write_picture
    drawn = draw(results.rows, picture)
    text = report.markdown(table, wanted.data, results.rows, picture.name if drawn else None)
    path.write_text(text)
    typer.echo(f"Written: {path}{f' and {picture}' if drawn else ''}")
