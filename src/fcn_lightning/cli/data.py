"""`fcn data check NAME`: whether the images and labels on disk can be read."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track

from fcn_lightning.cli.errors import reported, sentence

app = typer.Typer(help="The data on disk.", no_args_is_help=True)


@app.callback()
def _data() -> None:
    """Make `check` a subcommand, though there is no other one yet."""


@app.command()
def check(
    name: Annotated[str, typer.Argument(help="A data config: voc, voc2012, voc_aug, shapes, ...")],
    data_root: Annotated[Path | None, typer.Option(help="Where the data is.")] = None,
    download: Annotated[bool, typer.Option("--download", help="Fetch what is missing.")] = False,
    config_dir: Annotated[
        Path | None, typer.Option(help="A folder with configs of your own, as of fcn-train.")
    ] = None,
    traceback: Annotated[bool, typer.Option("--traceback", help="Full tracebacks.")] = False,
) -> None:
    """Read every image and label of a data set. Status 1 if one of them is broken."""
    from fcn_lightning.data.splits import describe
    from fcn_lightning.runs.data import data_config, read_data

    with reported(traceback):
        changed = {"download": True} if download else {}
        splits = read_data(data_config(name, changed, data_root, config_dir))
    sys.stdout.write(f"{splits.name}: {describe(splits.lists)}\n")
    broken = sum(
        _num_broken(*part) for part in (("training", splits.train), ("validation", splits.val))
    )
    sys.stdout.write(f"{broken} of {len(splits.train) + len(splits.val)} images are broken\n")
    sys.exit(1 if broken else 0)


def _num_broken(title: str, dataset: Any) -> int:
    """Read all samples of a data set and print what is wrong with each broken one."""
    broken = 0
    for index in track(range(len(dataset)), description=title, console=Console(stderr=True)):
        try:
            dataset[index]
        except ValueError as error:
            broken += 1
            sys.stdout.write(f"{sentence(error)}\n")
    return broken
