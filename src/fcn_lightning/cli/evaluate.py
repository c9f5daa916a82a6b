"""`fcn evaluate CKPT`: the scores of a checkpoint."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from fcn_lightning.cli.errors import reported


class Split(StrEnum):
    """The images to score."""

    val = "val"
    test = "test"


def evaluate(
    checkpoint: Annotated[Path, typer.Argument(help="A run's folder or a checkpoint file.")],
    data: Annotated[str | None, typer.Option(help="Other data than it was trained with.")] = None,
    data_root: Annotated[Path | None, typer.Option(help="Where the data is.")] = None,
    config_dir: Annotated[
        Path | None, typer.Option(help="A folder with configs of your own, as of fcn-train.")
    ] = None,
    split: Annotated[Split, typer.Option(help="Score the test images of data=folder.")] = Split.val,
    as_json: Annotated[bool, typer.Option("--json", help="JSON alone on standard output.")] = False,
    traceback: Annotated[bool, typer.Option("--traceback", help="Full tracebacks.")] = False,
) -> None:
    """Score a checkpoint again. A run's own data give the digits of its scores.json."""
    from fcn_lightning.runs.evaluate import evaluate as scores_of

    with reported(traceback):
        found = scores_of(checkpoint, data, data_root, config_dir, split.value)
    if as_json:
        sys.stdout.write(json.dumps(found, indent=1) + "\n")
    else:
        _print_scores(found)


def _print_scores(found: dict[str, Any]) -> None:
    """Print the scores as a table of fractions, with all their digits."""
    console = Console()
    console.print(
        f"{found['checkpoint']}, step {found['step']}, on {found['num_images']} images of "
        f"{found['split']} ({found['data']})"
    )
    table = Table("score", "value")
    for name, value in found["scores"].items():
        table.add_row(name, repr(value))
    for name, value in found["class_iu"].items():
        table.add_row(f"IU of {name}", "-" if value is None else repr(value))
    console.print(table)
