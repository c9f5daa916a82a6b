"""The files that prediction writes for an image: label maps, pictures, scores and areas."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from io import BufferedIOBase, BytesIO
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy import ndarray
from PIL import Image

from fcn_lightning.files import replacing
from fcn_lightning.inference.predictor import Piece
from fcn_lightning.labels import LabelSet, unnamed
from fcn_lightning.visualize import overlay

ROWS = 256
"""The rows of an image that are drawn at once: a picture is mixed in floating point."""


@dataclass(frozen=True)
class Wanted:
    """The files to write besides label maps, and the values in these.

    Attributes:
        overlay: NAME.overlay.jpg, the image with the colors of its classes.
        scores: NAME.scores.npz, the score of each class as `scores`, (h, w, classes) float32.
        areas: NAME.areas.json, the pixels of each class.
        label_values: Label maps hold the values of the data set's label files, not class indices.
    """

    overlay: bool = False
    scores: bool = False
    areas: bool = False
    label_values: bool = False


class Outputs:
    """The files of a folder, each under the relative name of its image; one set for each head."""

    def __init__(self, folder: Path, labels: Mapping[str, LabelSet], wanted: Wanted) -> None:
        self.folder, self.labels, self.wanted = folder, labels, wanted

    def paths(self, name: str) -> list[Path]:
        """The files that are written for an image."""
        suffixes = [".png", *([".overlay.jpg"] if self.wanted.overlay else [])]
        suffixes += [".scores.npz"] if self.wanted.scores else []
        paths = [self._path(name, head, end) for head in self.labels for end in suffixes]
        return paths + ([self._path(name, "", ".areas.json")] if self.wanted.areas else [])

    @contextmanager
    def score_files(self, name: str, h: int, w: int) -> Iterator[dict[str, ScoreFile]]:
        """The files of an image's scores, by head; none if they are not wanted."""
        with ExitStack() as stack:
            files = {}
            for head, labels in self.labels.items() if self.wanted.scores else ():
                path = self._path(name, head, ".scores.npz")
                path.parent.mkdir(parents=True, exist_ok=True)
                temporary = stack.enter_context(replacing(path))
                files[head] = stack.enter_context(opened_scores(temporary, (h, w, len(labels))))
            yield files

    def write(self, name: str, path: Path, image: ndarray, maps: Mapping[str, ndarray]) -> None:
        """Write everything but the scores.

        Args:
            name: The relative name of the image.
            path: Its file.
            image: Its pixels, (h, w, 3), or a depth.
            maps: The label map of each head.
        """
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        if self.wanted.areas:
            record = {"image": str(path), "height": image.shape[0], "width": image.shape[1]}
            areas = {head: areas_of(maps[head], labels) for head, labels in self.labels.items()}
            text = json.dumps({**record, "classes": unnamed(areas)}, indent=1) + "\n"
            with replacing(self._path(name, "", ".areas.json")) as temporary:
                temporary.write_text(text, encoding="utf-8")
        for head, labels in self.labels.items():
            if self.wanted.overlay:
                with replacing(self._path(name, head, ".overlay.jpg")) as temporary:
                    drawn = draw_overlay(image, maps[head], labels.palette)
                    Image.fromarray(drawn).save(temporary, format="JPEG", quality=90)
            picture = label_image(maps[head], labels, values=self.wanted.label_values)
            with replacing(self._path(name, head, ".png")) as temporary:
                picture.save(temporary, format="PNG")

    def options(self) -> dict[str, Any]:
        """These settings as plain values."""
        wanted = asdict(self.wanted)
        return {"json": wanted.pop("areas"), **wanted}

    def _path(self, name: str, head: str, end: str) -> Path:
        return self.folder / f"{name}{f'_{head}' if head else ''}{end}"


class ScoreFile:
    """An array `scores` in an .npz file, written in the order of its rows.

    At most the pieces between the same rows are in memory.
    """

    def __init__(self, file: BufferedIOBase, shape: tuple[int, int, int]) -> None:
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        self._file, self._shape = file, shape
        self._band: ndarray | None = None

    def add(self, piece: Piece, head: str, index: int) -> None:
        """Write the scores of a piece for the image `index` of its batch."""
        scores = piece.scores[head][index].permute(1, 2, 0).float().cpu().numpy()
        _, w, classes = self._shape
        if self._band is None:
            self._band = np.empty((scores.shape[0], w, classes), "<f4")
        self._band[:, piece.columns] = scores
        if piece.columns.stop == w:
            self._file.write(self._band.data.cast("B"))
            self._band = None


@contextmanager
def opened_scores(path: Path, shape: tuple[int, int, int]) -> Iterator[ScoreFile]:
    """Write an .npz file of one array."""
    with (
        zipfile.ZipFile(path, "w") as archive,
        archive.open("scores.npy", "w", force_zip64=True) as file,
    ):
        yield ScoreFile(cast(BufferedIOBase, file), shape)


def label_image(label: ndarray, labels: LabelSet, *, values: bool) -> Image.Image:
    """A label map as a palette image of class indices, or of the values of label files.

    Values above 255 make a gray image of 16 bits.
    """
    palette, pixels = labels.palette, label
    if values and labels.values:
        own = np.array([each[0] for each in labels.values])
        pixels = own[label].astype(np.uint8 if own.max() < 256 else np.uint16)
        if own.max() < 256:
            palette = palette.copy()
            palette[own] = labels.palette[: len(own)]
    picture = Image.fromarray(pixels)
    if pixels.dtype == np.uint8:
        picture.putpalette(palette.tobytes())
    return picture


def as_png(picture: Image.Image) -> bytes:
    """The bytes of a PNG file."""
    buffer = BytesIO()
    picture.save(buffer, format="PNG")
    return buffer.getvalue()


def areas_of(label: ndarray, labels: LabelSet) -> dict[str, dict[str, Any]]:
    """The pixels of each class, and their fraction of the image."""
    counts = np.bincount(label.ravel(), minlength=len(labels))
    return {
        name: {"pixels": int(count), "fraction": float(count / label.size)}
        for name, count in zip(labels.classes, counts)
    }


def draw_overlay(image: ndarray, label: ndarray, palette: ndarray) -> ndarray:
    """The image with the colors of its classes; a depth is drawn in gray."""
    if image.ndim == 2:
        top = max(float(image.max()), 1.0)
        image = np.repeat((image * (255 / top)).astype(np.uint8)[..., None], 3, axis=2)
    drawn = np.empty_like(image)
    for first in range(0, len(image), ROWS):
        rows = slice(first, first + ROWS)
        drawn[rows] = overlay(image[rows], label[rows], palette)
    return drawn
