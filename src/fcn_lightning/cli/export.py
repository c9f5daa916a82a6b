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
    onnx: Annotated[Path | None, typer.Option(help="Write an ONNX file.", metavar="FILE")] = None,
    torch_export: Annotated[
        Path | None,
        typer.Option(help="Write a program of torch.export, in minutes.", metavar="FILE.pt2"),
    ] = None,
    argmax: Annotated[
        bool, typer.Option("--argmax", help="ONNX, torch.export: labels in place of scores.")
    ] = False,
    config_dir: Annotated[
        Path | None, typer.Option(help="A folder of configs with backbones of your own.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
    traceback: Annotated[bool, typer.Option("--traceback", help="Show full tracebacks.")] = False,
) -> None:
    """Export a checkpoint's network for other tools: Caffe, ONNX, torch.export.

    ONNX files and programs of torch.export take images of any number and size: `image`,
    (n, 3, h, w) uint8, RGB from 0 to 255. They return `score`, (n, classes, h, w). Each is compared
    with the network on five sizes before it is put in place.
    """
    from fcn_lightning.formats import read_checkpoint
    from fcn_lightning.runs.own_backbones import register_all

    with reported(traceback):
        if caffe is onnx is torch_export is None:
            raise ValueError(
                "No export format was given. Add --caffe STEM, --onnx FILE or --torch-export FILE."
            )
        if argmax and onnx is torch_export is None:
            raise ValueError("--argmax is of --onnx and --torch-export; Caffe's files have scores.")
        register_all(config_dir)
        network = read_checkpoint(checkpoint).network()
        if caffe is not None:
            from fcn_lightning.formats.caffe.writer import write

            for written in write(network, caffe, overwrite=overwrite):
                sys.stdout.write(f"Wrote {written}\n")
        from fcn_lightning.export import write_onnx, write_torch_program

        for path, write_file in ((onnx, write_onnx), (torch_export, write_torch_program)):
            if path is not None:
                file, difference = write_file(network, path, argmax=argmax, overwrite=overwrite)
                sys.stdout.write(
                    f"Wrote {path}: {', '.join(file.inputs)} -> {', '.join(file.outputs)}; largest "
                    f"difference from PyTorch {difference:.1e}\n"
                )
