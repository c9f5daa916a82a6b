"""Networks as programs of torch.export, which run without this package."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.fx.experimental import _config

from fcn_lightning.export.comparison import largest_difference
from fcn_lightning.export.exported import DYNAMIC, Exported
from fcn_lightning.files import check_target, replacing
from fcn_lightning.models import Network

EXAMPLE = (2, 97, 113)
"""Number, height and width of the images that are traced."""


def write_torch_program(
    network: Network, path: Path, *, argmax: bool = False, overwrite: bool = False
) -> tuple[Exported, float]:
    """Write a program of torch.export; return what it holds, and its largest difference.

    `torch.export.load(FILE).module()` returns a function of images of any number and size. Its
    outputs are a tuple, its values those of ONNX files. Finding out what holds for every size takes
    up to minutes.

    Args:
        network: An FCN of one or several modalities and heads.
        path: The file, which ends in `.pt2`.
        argmax: The program returns the best class of each pixel in place of the scores.
        overwrite: Replace an existing file.

    Raises:
        OSError: The file cannot be written.
        ValueError: torch.export cannot express the network, or the file differs from it or exists.
    """
    exported = Exported(network, argmax=argmax)
    if path.suffix != ".pt2":
        raise ValueError(f"A program of torch.export must end in .pt2; got {path}.")
    check_target(path, overwrite=overwrite)
    program = _traced(exported)
    with replacing(path) as temporary:
        with temporary.open("wb") as file:
            torch.export.save(program, file)
        with temporary.open("rb") as file:
            run = torch.export.load(file).module()
        difference = largest_difference(exported, lambda images: run(*images))
    return exported, difference


def _traced(exported: Exported) -> torch.export.ExportedProgram:
    sizes = dict.fromkeys(DYNAMIC, torch.export.Dim.DYNAMIC)
    shapes = {"images": (sizes,) * len(exported.inputs)}
    with _any_size():
        return torch.export.export(exported, exported.draw(*EXAMPLE), dynamic_shapes=shapes)


@contextmanager
def _any_size() -> Iterator[None]:
    """Without the assumption that a side of a map is never 1, and without logs of each attempt."""
    logger = logging.getLogger("torch.fx.experimental.symbolic_shapes")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with _config.patch(backed_size_oblivious=True):  # type: ignore[attr-defined]
            yield
    finally:
        logger.setLevel(before)
