"""`fcn table list|show|run`: the papers' tables, with our scores beside their numbers."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType

from fcn_lightning.cli.errors import InputError, reported
from fcn_lightning.tables.definitions import Table, read_table, table_ids
from fcn_lightning.tables.plan import Step, plan
from fcn_lightning.tables.results import collect, default_data

app = typer.Typer(help="The papers' tables, with our scores beside.", no_args_is_help=True)

TableId = Annotated[str, typer.Argument(metavar="TABLE", help="As `fcn table list` names it.")]
Runs = Annotated[Path, typer.Option(help="The folder of runs.")]


@app.command("list")
def list_tables() -> None:
    """Name the tables that there are."""
    with reported(debug=False):
        for table in map(read_table, table_ids()):
            typer.echo(f"{table.id}  {table.title}. {table.source}.")


@app.command()
def show(
    table_id: TableId,
    data: Annotated[str | None, typer.Option(help="Default: the one with most rows done.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON alone, in fractions.")] = False,
    runs: Runs = Path("runs"),
) -> None:
    """Print a table: ours and the paper's."""
    from fcn_lightning.tables import report

    with reported(debug=False):
        table = read_table(table_id)
        results = collect(table, data or default_data(table, runs), runs)
        if as_json:
            typer.echo(json.dumps([result.model_dump() for result in results], indent=1))
        else:
            print_wide(report.terminal(table, results))


@app.command()
def run(
    table_id: TableId,
    overrides: Annotated[
        list[str] | None, typer.Argument(help="After `--`: passed on to every run.")
    ] = None,
    data: Annotated[str, typer.Option(help="What to run it on.")] = "shapes",
    seeds: Annotated[str, typer.Option(help="Whole numbers with commas between.")] = "0,1,2",
    force: Annotated[bool, typer.Option("--force", help="Make complete runs again too.")] = False,
    runs: Runs = Path("runs"),
) -> None:
    """Train what is missing, then print the table and write it as Markdown and as a picture."""
    with reported(debug=False):
        table = read_table(table_id)
        extra = overrides or []
        steps = plan(table, data, numbers(seeds), runs, force=force, extra=extra)
        if not force:
            collect(table, data, runs)  # a broken scores.json is told of before hours of training
        to_do = [step for step in steps if not step.complete]
        check(to_do)
        typer.echo(f"{len(steps)} runs: {len(steps) - len(to_do)} complete, {len(to_do)} to do.")
        failed = perform(to_do)
        write(table, data, runs)
    if failed:
        typer.echo(f"{len(failed)} of {len(to_do)} runs failed:")
        for name, why in failed.items():
            typer.echo(f"  {name}: {why}")
        raise typer.Exit(1)


def numbers(seeds: str) -> list[int]:
    """The seeds of "0,1,2", each once.

    Raises:
        InputError: It reads otherwise.
    """
    if not re.fullmatch(r"\d+(,\d+)*", seeds):
        raise InputError(f"`--seeds` must be whole numbers with commas between; got '{seeds}'.")
    return sorted(set(map(int, seeds.split(","))))


def check(steps: Sequence[Step]) -> None:
    """Composes every run before the first one starts.

    Raises:
        InputError: A run does not compose, or would lie elsewhere than the table reads it.
        ValueError: The same, from the part that uses a value.
    """
    from fcn_lightning.cli.compose import job

    for step in steps:
        folder = job(step.overrides).folder
        if folder != step.folder:
            raise InputError(
                "What is passed on must leave the runs what the table says; with it, "
                f"{step.folder} would be {folder}. Run a variant by fcn-train."
            )


def perform(steps: Sequence[Step]) -> dict[str, str]:
    """Runs one after the other; those that failed, or need one that did, by name with the cause."""
    failed: dict[Path, str] = {}
    for k, step in enumerate(steps, start=1):
        if missing := [needed for needed in step.needs if needed in failed]:
            failed[step.folder] = f"not started, for it needs {missing[-1]}"
            continue
        typer.echo(f"[{k} of {len(steps)}] fcn-train {' '.join(step.overrides)}")
        if status := start([sys.executable, "-m", "fcn_lightning.cli.train", *step.overrides]):
            failed[step.folder] = f"exit status {status}"
    return {step.name: failed[step.folder] for step in steps if step.folder in failed}


def start(command: Sequence[str]) -> int:
    """Runs a command to its end, with W&B offline, and returns its exit status.

    Where a signal stops this program, the command first ends in its own way, having saved; the
    program then ends with that signal's status.
    """
    stopped_by: list[int] = []
    child = subprocess.Popen(command, env={**os.environ, "WANDB_MODE": "offline"})

    def stop(number: int, frame: Any) -> None:
        stopped_by.append(number)
        if number == signal.SIGTERM:  # a terminal sends SIGINT to the command by itself
            child.send_signal(number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        status = child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if stopped_by:
        sys.exit(128 + stopped_by[0])
    return status


def write(table: Table, data: str, runs: Path) -> None:
    """Prints a table, writes it below `runs`/tables, and says where."""
    from fcn_lightning.tables import report

    results = collect(table, data, runs)
    print_wide(report.terminal(table, results))
    path = runs / "tables" / f"{table.id}-{data}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = path.with_suffix(".png")
    drawn = report.write_picture(table, data, runs, picture)
    path.write_text(report.markdown(table, data, results, picture.name if drawn else None))
    typer.echo(f"Written: {path}{f' and {picture}' if drawn else ''}")


def print_wide(shown: RenderableType) -> None:
    """Prints for the terminal's width; 130 columns where there is none."""
    Console(width=None if sys.stdout.isatty() else 130).print(shown)
