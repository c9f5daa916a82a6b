"""`fcn import` and `fcn export`: weights of others in, and ours out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from fcn_lightning.cli.errors import InputError, reported

Debug = Annotated[bool, typer.Option(help="Full tracebacks.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that are there.")]


def import_weights(
    file: Annotated[
        Path, typer.Argument(help="A .caffemodel, or torchfcn's or torchvision's .pth.")
    ],
    out: Annotated[Path | None, typer.Option(help="The checkpoint; FILE's name, here.")] = None,
    normalize: Annotated[
        str | None, typer.Option(help="Normalization, where not the network's usual one.")
    ] = None,
    classes: Annotated[
        int | None, typer.Option(min=1, help="Classes to score, of a classifier; 21 by default.")
    ] = None,
    at_once: Annotated[
        bool, typer.Option("--at-once", help="A .pth without its name is of FCN8sAtOnce.")
    ] = False,
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """Makes a checkpoint of someone else's weights, whose network is told from the layers."""
    from fcn_lightning.weights.imports import import_file

    out = out or Path(file.with_suffix(".ckpt").name)
    with reported(debug):
        imported = import_file(
            file,
            out,
            normalize=normalize,
            classes=classes,
            at_once=at_once,
            overwrite=overwrite,
        )
    sys.stdout.write(
        f"{file}: {in_words(imported.description)}\n{imported.report}\n{out} is written"
        f"{'; its scores are zero until it is trained' if imported.unscored else ''}\n"
    )
    head = imported.description["head"]
    if file.suffix == ".pth" and len(head.get("skips") or ()) == 2 and "scales" not in head:
        sys.stdout.write("It was read as FCN8s; add --at-once if it is of FCN8sAtOnce.\n")


def export_weights(
    checkpoint: Annotated[Path, typer.Argument(help="A run's folder or a checkpoint file.")],
    caffe: Annotated[
        Path | None, typer.Option(help="Write STEM.prototxt and STEM.caffemodel.", metavar="STEM")
    ] = None,
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """Writes a checkpoint's network for other tools: Caffe's two files."""
    from fcn_lightning.weights import read_checkpoint
    from fcn_lightning.weights.caffe.writer import write

    with reported(debug):
        if caffe is None:
            raise InputError("The export's format must be given; add --caffe STEM.")
        files = write(read_checkpoint(checkpoint).network(), caffe, overwrite=overwrite)
    sys.stdout.write("".join(f"{path} is written\n" for path in files))


def in_words(description: dict[str, Any]) -> str:
    """A network in one line: backbone, skips, classes, normalization."""
    head, classes = description["head"], description["num_classes"]
    skips = " + ".join(head.get("skips") or ())
    counts = classes if isinstance(classes, dict) else {"": classes}
    parts = [
        description["backbone"]["name"],
        f"skips {skips}" if skips else "no skips",
        *([f"scaled by {', '.join(map(str, head['scales']))}"] if "scales" in head else []),
        *(f"{count} classes{f' ({name})' if name else ''}" for name, count in counts.items()),
        f"upscore {head.get('upscore', 'fixed')}",
        f"normalize {description['normalize']}",
        *([f"{description['fusion']} fusion"] if description["fusion"] else []),
    ]
    return ", ".join(parts)
