"""`fcn predict CHECKPOINT IMAGES... --out FOLDER`: label maps of images."""

from __future__ import annotations

import math
import sys
from io import BufferedIOBase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from fcn_lightning.cli.errors import reported
from fcn_lightning.cli.progress import Rate

if TYPE_CHECKING:
    from fcn_lightning.inference import Predictor
    from fcn_lightning.inference.outputs import Wanted

PIPE = "-"
"""In place of images: standard input, with the label map on standard output."""


def predict(
    checkpoint: Annotated[Path, typer.Argument(help="A run's folder or a checkpoint file.")],
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGES...",
            help="Files, folders, 'patterns', @LISTS; or - for one image through pipes.",
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="The folder of the label maps.")] = None,
    recursive: Annotated[
        bool, typer.Option("--recursive", help="Search the subfolders of folders.")
    ] = False,
    overlay: Annotated[
        bool, typer.Option("--overlay", help="Also NAME.overlay.jpg: classes over the image.")
    ] = False,
    scores: Annotated[
        bool, typer.Option("--scores", help="Also NAME.scores.npz: (h, w, classes) float32.")
    ] = False,
    areas: Annotated[
        bool, typer.Option("--json", help="Also NAME.areas.json: the pixels of each class.")
    ] = False,
    label_values: Annotated[
        bool,
        typer.Option("--label-values", help="Write the values of the data set's label files."),
    ] = False,
    scales: Annotated[
        str, typer.Option(help="Average the scores of the image at these scales: 0.75,1,1.25.")
    ] = "1",
    mirror: Annotated[
        bool, typer.Option("--mirror", help="Average with the scores of the mirrored image.")
    ] = False,
    modality: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=FOLDER", help="A folder with images of another modality."),
    ] = None,
    memory: Annotated[
        float, typer.Option(help="Gigabytes to use at most; larger images are cut into tiles.")
    ] = 4.0,
    approximate: Annotated[
        bool,
        typer.Option("--approximate", help="Allow tiles where they change the scores."),
    ] = False,
    max_megapixels: Annotated[
        float, typer.Option(help="Refuse larger images as decompression bombs.")
    ] = 178.0,
    batch: Annotated[int, typer.Option(min=1, help="Images of one size in a pass.")] = 1,
    workers: Annotated[int, typer.Option(min=1, help="Threads that read and write images.")] = 2,
    shard: Annotated[
        str | None, typer.Option(metavar="K/N", help="Label part K of N, from 0.")
    ] = None,
    config_dir: Annotated[
        Path | None, typer.Option(help="A folder of configs with backbones of your own.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
    traceback: Annotated[bool, typer.Option("--traceback", help="Show full tracebacks.")] = False,
) -> None:
    """Label images: NAME.png has each pixel's class, in the image's size and the classes' colors.

    Results have the relative names of the images. A second call labels what is missing; another
    checkpoint or option needs --overwrite. A network of several heads writes NAME_HEAD.png for
    each. The images of further modalities have the same names and lie in a folder of their own:
    --modality depth=FOLDER. Under torchrun or srun each process labels its part. Exit status 1 if
    an image is broken.
    """
    from fcn_lightning.data.images import limit_megapixels
    from fcn_lightning.inference.outputs import Wanted
    from fcn_lightning.runs.own_backbones import register_all
    from fcn_lightning.runs.trainer import configure_torch

    configure_torch()
    wanted = Wanted(overlay, scores, areas, label_values)
    with reported(traceback):
        for option, value in (("--memory", memory), ("--max-megapixels", max_megapixels)):
            if not 0 < value < math.inf:
                raise ValueError(f"`{option}` takes a number above 0; got {value:g}.")
        limit_megapixels(max_megapixels)
        register_all(config_dir)
        if PIPE in images:
            _check_pipe(images, out, wanted)
        elif out is None:
            raise ValueError("Name the folder of the label maps with --out.")
        predictor = _predictor(checkpoint, scales, mirror, memory, approximate)
        if out is None:
            _through_pipes(predictor, wanted)
            return
        from fcn_lightning.inference.plan import plan

        work = plan(
            predictor, checkpoint, images, out, wanted, recursive=recursive,
            modality=modality or [], shard=shard, overwrite=overwrite,
        )  # fmt: skip
        problems = []
        with Rate("images", len(work.sources)) as rate:
            for done in work.run(batch, workers):
                problems += [done.problem] if done.problem else []
                rate.advance()
    sys.stderr.write("".join(f"{problem}\n" for problem in problems))
    already = f"; {work.num_done} were done already" if work.num_done else ""
    labeled = len(work.sources) - len(problems)
    sys.stdout.write(f"Labeled {labeled} of {len(work.sources)} images in {out}{already}\n")
    sys.exit(1 if problems else 0)


def _predictor(
    checkpoint: Path, scales: str, mirror: bool, memory: float, approximate: bool
) -> Predictor:
    from fcn_lightning.inference import Averaging, load

    try:
        numbers = tuple(map(float, scales.split(",")))
    except ValueError as error:
        raise ValueError(
            f"`--scales` takes numbers, separated by commas: 0.75,1,1.25; got '{scales}'."
        ) from error
    averaging = Averaging(numbers, mirror)
    return load(checkpoint, averaging=averaging, memory=memory, approximate=approximate)


def _check_pipe(images: list[str], out: Path | None, wanted: Wanted) -> None:
    if len(images) > 1 or out or wanted.overlay or wanted.scores or wanted.areas:
        raise ValueError(
            "With - the label map of one image goes to standard output. Leave out other images, "
            "--out, --overlay, --scores and --json."
        )


def _through_pipes(predictor: Predictor, wanted: Wanted) -> None:
    """Label the image on standard input, and write its label map to standard output."""
    from fcn_lightning.data.images import read_image
    from fcn_lightning.inference.outputs import as_png, label_image

    if [*predictor.heads, *predictor.modalities] != ["", ""]:
        raise ValueError("Only networks of one modality and one head work through pipes.")
    label = predictor.predict(read_image(cast(BufferedIOBase, sys.stdin.buffer)))
    assert not isinstance(label, dict)
    picture = label_image(label, predictor.labels[""], values=wanted.label_values)
    sys.stdout.buffer.write(as_png(picture))
