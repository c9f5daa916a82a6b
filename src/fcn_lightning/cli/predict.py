"""`fcn predict CKPT IMAGE... --out FOLDER`: label maps of one's own images."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track

from fcn_lightning.cli.errors import InputError, reported, sentence


def predict(
    checkpoint: Annotated[Path, typer.Argument(help="A run's folder or a checkpoint file.")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Image files.")],
    out: Annotated[Path, typer.Option(help="Where NAME.png of each image goes.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
    debug: Annotated[bool, typer.Option(help="Full tracebacks.")] = False,
) -> None:
    """Labels images: PNGs of class indices in VOC's colours, same names, same sizes.

    A network of several heads writes NAME_HEAD.png for each. Status 1 where an image is broken.
    """
    from fcn_lightning.cli.trainer import configure_torch
    from fcn_lightning.data.dataset import read_image
    from fcn_lightning.inference import load
    from fcn_lightning.labels import voc_palette
    from fcn_lightning.visualize import save_label

    configure_torch()
    with reported(debug):
        predictor = load(checkpoint)
        _check_names(images, out, predictor.heads, overwrite=overwrite)
        out.mkdir(parents=True, exist_ok=True)
    broken, palette = 0, voc_palette()
    for path in track(images, description="images", console=Console(stderr=True)):
        try:
            labels = predictor.predict(read_image(path))
        except ValueError as error:
            broken += 1
            sys.stderr.write(f"{sentence(error)}\n")
            continue
        maps = labels if isinstance(labels, dict) else {"": labels}
        with reported(debug):
            for head, label in maps.items():
                save_label(label, palette, _target(path, out, head))
    sys.stdout.write(f"{len(images) - broken} of {len(images)} images labelled, in {out}\n")
    sys.exit(1 if broken else 0)


def _target(image: Path, out: Path, head: str) -> Path:
    return out / f"{image.stem}{f'_{head}' if head else ''}.png"


def _check_names(
    images: Sequence[Path], out: Path, heads: Sequence[str], *, overwrite: bool
) -> None:
    """Raises an InputError where two images would share a file, or one that is there is meant."""
    stems: dict[str, Path] = {}
    for path in images:
        if path.is_dir():
            raise InputError(f"{path} must be an image file; it is a folder. Name its images.")
        if not path.is_file():
            raise InputError(f"{path} must be an image file; there is no such file.")
        if (other := stems.setdefault(path.stem, path)) is not path:
            raise InputError(
                f"Images must have names of their own; {other} and {path} would both be written "
                f"to {path.stem}.png. Label them into two folders."
            )
    for target in [_target(path, out, head) for path in images for head in heads]:
        if any(target.exists() and target.samefile(path) for path in images):
            raise InputError(
                f"--out must be another folder than that of {target}, which would be overwritten."
            )
        if target.exists() and not overwrite:
            raise InputError(f"{target} must not be there yet; it is. Replace it by --overwrite.")
