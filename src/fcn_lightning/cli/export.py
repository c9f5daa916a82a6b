"""`fcn export CHECKPOINT`: a network's files for other tools."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from fcn_lightning.cli.errors import reported


def export(
    checkpoint: Annotated[Path, typer.Argument(help="A run's folder or a checkpoint file.")],
    caffe: Annotated[
        Path | None, typer.Option(help="Write STEM.prototxt and STEM.caffemodel.", metavar="STEM")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
    traceback: Annotated[bool, typer.Option("--traceback", help="Show full tracebacks.")] = False,
) -> None:
    """Export a checkpoint's network for other tools: Caffe's two files."""
    from fcn_lightning.formats import read_checkpoint
    from fcn_lightning.formats.caffe.writer import write

    with reported(traceback):
        if caffe is None:
            raise ValueError("No export format was given. Add --caffe STEM.")
        files = write(read_checkpoint(checkpoint).network(), caffe, overwrite=overwrite)
    sys.stdout.write("".join(f"Wrote {path}\n" for path in files))
