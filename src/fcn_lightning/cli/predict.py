"""`fcn predict CHECKPOINT IMAGE... --out FOLDER`: label maps of images."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track

from fcn_lightning.cli.errors import reported, sentence


def predict(
    checkpoint: Annotated[Path, typer.Argument(help="A run's folder or a checkpoint file.")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Image files.")],
    out: Annotated[Path, typer.Option(help="The folder of the label maps.")],
    modality: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=FOLDER", help="A folder with images of another modality."),
    ] = None,
    config_dir: Annotated[
        Path | None, typer.Option(help="A folder of configs with backbones of your own.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
    traceback: Annotated[bool, typer.Option("--traceback", help="Show full tracebacks.")] = False,
) -> None:
    """Label images: NAME.png has each pixel's class, in the image's size and VOC's colors.

    A network of several heads writes NAME_HEAD.png for each. The images of further modalities have
    the same names and lie in a folder of their own: --modality depth=FOLDER. Exit status 1 if an
    image is broken.
    """
    from fcn_lightning.inference import label_paths, load, modality_paths
    from fcn_lightning.labels import unnamed, voc_palette
    from fcn_lightning.runs.own_backbones import register_all
    from fcn_lightning.runs.trainer import configure_torch
    from fcn_lightning.visualize import save_label

    configure_torch()
    with reported(traceback):
        register_all(config_dir)
        predictor = load(checkpoint)
        paths = label_paths(images, out, predictor.heads, overwrite=overwrite)
        sources = modality_paths(images, list(predictor.modalities), modality or [])
        out.mkdir(parents=True, exist_ok=True)
    broken, palette = 0, voc_palette()
    for image in track(images, description="images", console=Console(stderr=True)):
        try:
            read = predictor.modalities
            pixels = {name: read[name](path) for name, path in sources[image].items()}
            labels = predictor.predict(unnamed(pixels))
        except ValueError as error:
            broken += 1
            sys.stderr.write(f"{sentence(error)}\n")
            continue
        with reported(traceback):
            for head, path in paths[image].items():
                save_label(labels[head] if isinstance(labels, dict) else labels, palette, path)
    sys.stdout.write(f"Labeled {len(images) - broken} of {len(images)} images in {out}\n")
    sys.exit(1 if broken else 0)
