"""`fcn runs list|show|rm`: the runs of a folder."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from fcn_lightning.cli.errors import reported

if TYPE_CHECKING:
    from fcn_lightning.runs.listing import Listed

app = typer.Typer(help="The runs of a folder: list, show, remove.", no_args_is_help=True)

Runs = Annotated[Path, typer.Option(help="The folder of runs.")]
Traceback = Annotated[bool, typer.Option("--traceback", help="Show full tracebacks.")]
Sort = Literal["path", "state", "step", "mean_iu", "hours", "size"]


@app.command("list")
def list_all(
    experiment: Annotated[str | None, typer.Option(help="Only those of an experiment.")] = None,
    state: Annotated[
        str | None, typer.Option(help="Only those that are done, running, stopped or broken.")
    ] = None,
    sort: Annotated[Sort, typer.Option(help="The largest first, but for path and state.")] = "path",
    as_json: Annotated[bool, typer.Option("--json", help="JSON alone.")] = False,
    runs: Runs = Path("runs"),
    traceback: Traceback = False,
) -> None:
    """List runs with state, step, mean IU, hours and size."""
    from fcn_lightning.runs.listing import list_runs

    with reported(traceback):
        if state not in (None, "done", "running", "stopped", "broken"):
            raise ValueError(f"`--state` is done, running, stopped or broken; got '{state}'.")
        found = [
            each
            for each in map(_values, list_runs(runs))
            if experiment in (None, each["experiment"]) and state in (None, each["state"])
        ]
        falls = sort not in ("path", "state")
        found.sort(key=lambda each: (each[sort] is not None, each[sort] or 0), reverse=falls)
        if as_json:
            typer.echo(json.dumps(found, indent=1))
        else:
            _print(found)


@app.command()
def show(
    run: Annotated[Path, typer.Argument(help="Its folder, or the end of it: fcn8s/seed0.")],
    runs: Runs = Path("runs"),
    traceback: Traceback = False,
) -> None:
    """Show a run in one screen: state, scores, data, start and machine."""
    from fcn_lightning.runs.listing import find_run, list_runs

    with reported(traceback):
        for name, value in _facts(find_run(run, list_runs(runs))):
            typer.echo(f"{name:12} {value}")


@app.command()
def rm(
    named: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of runs.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    runs: Runs = Path("runs"),
    traceback: Traceback = False,
) -> None:
    """Remove runs, after a question."""
    from fcn_lightning.runs.listing import check_removal, find_run, list_runs

    with reported(traceback):
        every = list_runs(runs)
        removed = [find_run(each, every) for each in named]
        check_removal(removed, every)
        size = _bytes(sum(run.size for run in removed))
        for each in removed:
            typer.echo(f"{each.folder}: {each.state}, step {each.step}")
        if not yes and not sys.stdin.isatty():
            raise ValueError("Removing needs an answer on a terminal, or --yes.")
        if not yes and not typer.confirm(f"Remove {len(removed)} of {len(every)} runs, {size}?"):
            raise typer.Exit(1)
        for each in removed:
            shutil.rmtree(each.folder)
        typer.echo(f"Removed: {len(removed)} runs, {size}")


def _values(run: Listed) -> dict[str, Any]:
    return {
        "path": str(run.folder),
        "experiment": run.experiment,
        "variant": run.variant,
        "seed": run.seed,
        "state": run.state,
        "debug": run.record.debug if run.record else run.config.get("debug"),
        "step": run.step,
        "max_steps": run.max_steps,
        "mean_iu": run.mean_iu,
        "hours": run.record.seconds / 3600 if run.record else None,
        "size": run.size,
    }


def _print(found: list[dict[str, Any]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE)
    for title in ("run", "state", "step", "mean IU", "hours", "size"):
        left = title in ("run", "state")
        table.add_column(title, justify="left" if left else "right", no_wrap=not left)
    for each in found:
        table.add_row(
            each["path"],
            each["state"],
            f"{each['step']:,} of {each['max_steps'] or 0:,}",
            "" if each["mean_iu"] is None else f"{100 * each['mean_iu']:.1f}",
            "" if each["hours"] is None else f"{each['hours']:.2f}",
            _bytes(each["size"]),
        )
    Console(width=None if sys.stdout.isatty() else 130).print(table)
    total = _bytes(sum(each["size"] for each in found))
    typer.echo(f"{len(found)} runs, {total}")


def _facts(run: Listed) -> list[tuple[str, str]]:
    facts = [
        ("run", str(run.folder)),
        ("state", run.state),
        ("step", f"{run.step:,} of {run.max_steps or 0:,}"),
        ("size", _bytes(run.size)),
        ("starts from", ", ".join(map(str, run.starts)) or "nothing"),
    ]
    if (record := run.record) is None:
        return facts
    scores = {name: value for name, value in record.scores.items() if value is not None}
    names = ("pixel_acc", "mean_acc", "mean_iu", "fw_iu")
    percent = {name: f"{100 * value:.2f}" for name, value in scores.items() if name != "loss"}
    facts += [
        ("scored on", f"{record.data}, {record.split}, {record.num_images} images"),
        *((name, percent[name]) for name in (*names, *(n for n in percent if n not in names))),
        *(
            (f"  {name}", f"{100 * iu:.2f}")
            for name, iu in record.class_iu.items()
            if iu is not None
        ),
        ("best", _best(record.best_val)),
        ("seconds", f"{record.seconds:.0f}"),
        ("machine", f"{record.num_processes} x {record.device}, {record.precision}"),
        ("commit", record.commit or "unknown"),
    ]
    return facts


def _best(best: dict[str, float] | None) -> str:
    if best is None:
        return "not validated"
    return f"mean IU {100 * best['mean_iu']:.2f} at step {best['step']:.0f}"


def _percent(fraction: float | None) -> str:
    return "undefined" if fraction is None else f"{100 * fraction:.2f}"


def _bytes(size: int) -> str:
    """Write a size with one decimal: `1.6 MB`."""
    for power, unit in enumerate(("B", "kB", "MB")):
        if size < 1000 ** (power + 1):
            return f"{size} B" if power == 0 else f"{size / 1000**power:.1f} {unit}"
    return f"{size / 1000**3:.1f} GB"
