"""`fcn import FILE`: a checkpoint of another framework's weights."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from fcn_lightning.cli.errors import reported


def import_weights(
    file: Annotated[
        Path, typer.Argument(help="A .caffemodel, or a .pth file of torchfcn or torchvision.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="The checkpoint. [default: FILE's name with .ckpt]")
    ] = None,
    normalize: Annotated[
        str | None, typer.Option(help="Another normalization than the network's usual one.")
    ] = None,
    classes: Annotated[
        int | None,
        typer.Option(min=1, help="The number of classes of a classifier. [default: 21]"),
    ] = None,
    at_once: Annotated[
        bool, typer.Option("--at-once", help="A .pth file with weights alone is of FCN8sAtOnce.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
    traceback: Annotated[bool, typer.Option("--traceback", help="Show full tracebacks.")] = False,
) -> None:
    """Import another framework's weights as a checkpoint; the layers tell the network."""
    from fcn_lightning.formats.imports import import_file

    out = out or Path(file.with_suffix(".ckpt").name)
    with reported(traceback):
        imported = import_file(
            file,
            out,
            normalize=normalize,
            classes=classes,
            at_once=at_once,
            overwrite=overwrite,
        )
    hint = "; it scores zero until it is trained" if imported.unscored else ""
    sys.stdout.write(
        f"{file}: {_summary(imported.description)}\n{imported.report}\nWrote {out}{hint}\n"
    )
    if imported.maybe_at_once:
        sys.stdout.write("Imported as FCN8s. Add --at-once if the weights are of FCN8sAtOnce.\n")
    if imported.maybe_caffe:
        sys.stdout.write(
            "Read as trained by torchvision. Add --normalize caffe if the weights were converted "
            "from Caffe (BGR, 0..255).\n"
        )


def _summary(description: dict[str, Any]) -> str:
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
