"""`fcn submission CHECKPOINT --data-root DIR`: an archive for VOC's test server."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from fcn_lightning.cli.errors import reported
from fcn_lightning.cli.progress import Rate


def submission(
    checkpoint: Annotated[
        Path | None, typer.Argument(help="A run's folder or a checkpoint file.")
    ] = None,
    data_root: Annotated[
        Path | None, typer.Option(help="The folder with VOCdevkit and the test images.")
    ] = None,
    year: Annotated[int, typer.Option(help="The year of the test set.")] = 2012,
    out: Annotated[Path, typer.Option(metavar="FILE.tgz", help="The archive.")] = Path(
        "results.tgz"
    ),
    check: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Check any .tgz or .zip archive instead.")
    ] = None,
    config_dir: Annotated[
        Path | None, typer.Option(help="A folder of configs with backbones of your own.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an archive.")] = False,
    traceback: Annotated[bool, typer.Option("--traceback", help="Show full tracebacks.")] = False,
) -> None:
    """Label VOC's test images and pack them for the test server, or check an archive.

    The archive is checked before it is put in place. A call that was interrupted goes on with the
    label maps that it had, in FILE.tgz.predictions. --check reads an archive without unpacking it;
    with --data-root it also compares the ids and sizes. Exit status 1 if the server would reject
    it, or a test image is broken.
    """
    with reported(traceback):
        if check is not None:
            _check(check, data_root, year)
        elif checkpoint is None or data_root is None:
            raise ValueError(
                "Name a checkpoint and --data-root DIR, or the archive to check with --check FILE."
            )
        else:
            _write(checkpoint, data_root, f"VOC{year}", out, config_dir, overwrite)


def _check(archive: Path, data_root: Path | None, year: int) -> None:
    from fcn_lightning.submission.check import check
    from fcn_lightning.submission.write import test_images

    images = test_images(data_root, f"VOC{year}") if data_root else None
    try:
        faults = check(archive, f"VOC{year}", images)
    except ValueError as error:  # it is no archive: that is what was asked
        faults = [str(error)]
    sys.stderr.write("".join(f"{fault}\n" for fault in faults))
    if faults:
        sys.exit(1)
    missing = "" if images else " Ids and sizes were not compared: add --data-root DIR."
    sys.stdout.write(f"{archive} has nothing that the server rejects.{missing}\n")


def _write(
    checkpoint: Path,
    data_root: Path,
    year: str,
    out: Path,
    config_dir: Path | None,
    overwrite: bool,
) -> None:
    from fcn_lightning.files import check_target
    from fcn_lightning.inference import load
    from fcn_lightning.runs.own_backbones import register_all
    from fcn_lightning.runs.trainer import configure_torch
    from fcn_lightning.submission.write import pack, predictions, test_images

    if not out.name.endswith((".tgz", ".tar.gz")):
        raise ValueError(f"The archive must end in .tgz or .tar.gz; got {out}.")
    check_target(out, overwrite=overwrite)
    configure_torch()
    register_all(config_dir)
    images = test_images(data_root, year)
    folder = out.with_name(f"{out.name}.predictions")
    work = predictions(load(checkpoint), checkpoint, images.values(), folder)
    with Rate("images", len(work.sources)) as rate:
        for done in work.run(batch=1, workers=2):
            if done.problem:
                sys.stderr.write(f"{done.problem}\n")
                sys.exit(1)
            rate.advance()
    pack(folder, out, year, images)
    shutil.rmtree(folder)
    sys.stdout.write(f"Wrote {out}: {len(images)} label maps\n")
