"""A contact sheet of a data set: images with labels drawn over them, and a legend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image, ImageDraw, ImageFont, ImageOps

from fcn_lightning.data.dataset import SegmentationDataset, read_example
from fcn_lightning.labels import VOID, LabelSet
from fcn_lightning.visualize import gray, overlay

CELL = (240, 180)
"""The largest width and height of a picture."""

LINE, GAP, COLUMNS = 14, 8, 4


class Cell(NamedTuple):
    """A picture of the sheet: an image, its label map, and what is written below it."""

    image: UInt8[ndarray, "h w 3"]
    label: UInt8[ndarray, "h w"]
    caption: str


def draw_sheet(cells: Sequence[Cell], labels: LabelSet) -> Image.Image:
    """Draw a sheet: each image beside the image with its labels, and the classes that occur."""
    columns = min(COLUMNS, max(len(cells), 1))
    rows = -(-len(cells) // columns)
    width, height = 2 * CELL[0] + GAP, CELL[1] + LINE + GAP
    used = sorted({int(label) for cell in cells for label in np.unique(cell.label)})
    per_line = max(1, columns * (width + GAP) // 160)
    legend = -(-len(used) // per_line) * (LINE + 4) + GAP
    size = (columns * (width + GAP) + GAP, rows * height + legend + GAP)
    sheet = Image.new("RGB", size, (255, 255, 255))
    for place, cell in enumerate(cells):
        row, column = divmod(place, columns)
        _draw(sheet, cell, labels, (GAP + column * (width + GAP), GAP + row * height))
    for place, label in enumerate(used):
        row, column = divmod(place, per_line)
        _legend(sheet, label, labels, (GAP + column * 160, rows * height + GAP + row * (LINE + 4)))
    return sheet


def _draw(sheet: Image.Image, cell: Cell, labels: LabelSet, corner: tuple[int, int]) -> None:
    """Draw one image, and beside it the image with its labels."""
    x, y = corner
    drawn = overlay(cell.image, cell.label, labels.palette)
    for index, pixels in enumerate((cell.image, drawn)):
        picture = ImageOps.contain(Image.fromarray(pixels), CELL)
        sheet.paste(picture, (x + index * (picture.width + GAP // 2), y))
    _write(sheet, (x, y + picture.height), cell.caption)


def _legend(sheet: Image.Image, label: int, labels: LabelSet, corner: tuple[int, int]) -> None:
    x, y = corner
    name = "void" if label == VOID else labels.classes[label]
    color = tuple(labels.palette[label].tolist())
    ImageDraw.Draw(sheet).rectangle((x, y, x + LINE - 2, y + LINE - 2), color, (0, 0, 0))
    _write(sheet, (x + LINE + 2, y), name)


def _write(sheet: Image.Image, corner: tuple[int, int], text: str) -> None:
    shown = text.encode("latin-1", "replace").decode("latin-1")  # what the font has
    ImageDraw.Draw(sheet).text(corner, shown, (0, 0, 0), ImageFont.load_default())


def cells_of(datasets: Mapping[str, SegmentationDataset], most: int = 24) -> list[Cell]:
    """Some images of each split, at equal distances; broken ones are left out.

    Of several modalities and heads, the first is shown.
    """
    of_each = max(1, most // max(len(datasets), 1))
    cells: list[Cell] = []
    for title, dataset in datasets.items():
        for example in dataset.examples[:: max(1, -(-len(dataset) // of_each))]:
            with suppress(ValueError):
                images, maps = read_example(example, dataset.labels)
                image, label = next(iter(images.values())), next(iter(maps.values()))
                colors = image if image.ndim == 3 else gray(image)
                cells.append(Cell(colors, label, f"{title}: {example.name}"))
    return cells
