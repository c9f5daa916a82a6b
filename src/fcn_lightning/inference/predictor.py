"""A trained network as a function from images to label maps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from numpy import ndarray
from torch import Tensor

from fcn_lightning.data.images import read_depth, read_image
from fcn_lightning.formats import read_checkpoint
from fcn_lightning.inference.averaging import Averaging
from fcn_lightning.inference.memory import PROBES, Demand, resident, weight_copies
from fcn_lightning.inference.shards import local_device
from fcn_lightning.inference.tiles import Span, Tiling, cut
from fcn_lightning.labels import LabelSet, by_name, unnamed
from fcn_lightning.models import FCN, Classifier, LateFusion
from fcn_lightning.models.normalize import NORMALIZATIONS

Image = UInt8[ndarray, "h w 3"] | Float32[ndarray, "h w"]
"""RGB, or a depth."""

Prediction = UInt8[ndarray, "h w"] | dict[str, UInt8[ndarray, "h w"]]

MEMORY = 4.0
"""Gigabytes that prediction may take by default."""


@dataclass(frozen=True)
class Piece:
    """The scores of a part of a batch of images, (n, classes, rows, columns) for each head."""

    rows: slice
    columns: slice
    scores: dict[str, Tensor]


class Predictor:
    """A network that labels images in their own size.

    An image for which memory would not suffice is scored in tiles, with the same result.

    Attributes:
        labels: The classes of each head; "" for a single one.
        base: The bytes that are taken before an image is read.
    """

    def __init__(
        self,
        network: FCN | LateFusion,
        device: str | torch.device = "cpu",
        *,
        labels: Mapping[str, LabelSet] | None = None,
        averaging: Averaging | None = None,
        memory: float = MEMORY,
        approximate: bool = False,
    ) -> None:
        """Wrap a network.

        Args:
            network: The network.
            device: Where it runs.
            labels: The classes of each head; None to name them by their numbers.
            averaging: The versions of an image whose scores are averaged; None for the image alone.
            memory: What the process, or the GPU, may take in gigabytes, the weights included.
            approximate: Allow tiles where they change the scores: for a network with global gates,
                or with an `image_scale` by which the image's sides are not whole.
        """
        self.device = torch.device(device)
        self.network = network.eval().to(self.device)
        if self.device.type == "cpu":  # 1.2 times as fast at 375 x 500 with AVX2
            self.network.to(memory_format=torch.channels_last)
        self.labels = dict(labels or {head: _numbered(network, head) for head in self.heads})
        self.averaging = averaging or Averaging()
        self.memory, self.approximate = memory, approximate
        self.base = self._taken() + weight_copies(network)

    @property
    def modalities(self) -> dict[str, Callable[[Path], ndarray]]:
        """The functions that read the images of each modality; "" for a single one."""
        return {name: read_depth if c == 1 else read_image for name, c in self._channels.items()}

    @property
    def heads(self) -> list[str]:
        """The names of the network's heads; "" for a single one."""
        return list(by_name(self.network.description["num_classes"]))

    def predict(self, image: str | Path | Image | Mapping[str, Image]) -> Prediction:
        """The class of each pixel of an image; by head if there are several.

        Args:
            image: A file, which is turned upright by its EXIF orientation, or RGB or a depth; of
                each modality if there are several, in one size.

        Raises:
            ValueError: Images are missing, cannot be read, or have different sizes.
        """
        if isinstance(image, str | Path):
            image = unnamed({name: read(Path(image)) for name, read in self.modalities.items()})
        maps = self.label([by_name(image)])
        return unnamed({head: labels[0] for head, labels in maps.items()})

    def label(
        self,
        images: Sequence[Mapping[str, Image]],
        keep: Callable[[Piece], None] | None = None,
    ) -> dict[str, UInt8[ndarray, "n h w"]]:
        """The classes of the pixels of several images of one size, by head.

        Args:
            images: The image of each modality, for each of them.
            keep: Called with the scores of each piece, in the order of rows and columns.
        """
        n, (h, w) = len(images), _size(images)
        maps = {head: np.empty((n, h, w), np.uint8) for head in self.heads}
        for piece in self.pieces(images, kept=keep is not None):
            for head, score in piece.scores.items():
                labels = score.argmax(1).to("cpu", torch.uint8).numpy()
                maps[head][:, piece.rows, piece.columns] = labels
            if keep:
                keep(piece)
        return maps

    def pieces(
        self, images: Sequence[Mapping[str, Image]], *, kept: bool = False
    ) -> Iterator[Piece]:
        """Score several images of one size, whole if memory suffices, or else in tiles.

        Args:
            images: The image of each modality, for each of them.
            kept: The scores of all pieces between the same rows are kept.

        Raises:
            ValueError: Tiles are needed, and the network does not allow them, or memory does not
                suffice for the smallest ones.
        """
        h, w = _size(images)
        if self.fits(h, w, len(images)):
            yield self._piece(images, Span(0, h, 0, h), Span(0, w, 0, w))
            return
        tiling = self._tiling
        side = self._tile_side(h, w, kept)
        spans = (tiling.spans(tiling.extended(length), side) for length in (h, w))
        for rows, columns in product(*map(tuple, spans)):
            yield self._piece(images, rows, columns)

    def fits(self, h: int, w: int, images: int = 1) -> bool:
        """Tell whether memory suffices for a batch of images of h x w pixels as a whole."""
        if images * max(h, w) <= PROBES[-1]:
            return True
        return self._demand.bytes(h, w, images) <= self._available(h, w, images)

    @torch.inference_mode()
    def _piece(self, images: Sequence[Mapping[str, Image]], rows: Span, columns: Span) -> Piece:
        h, w = _size(images)
        batches = {
            name: torch.stack([_tensor(cut(each[name], rows, columns)) for each in images])
            for name in images[0]
        }
        on_device = {name: batch.to(self.device) for name, batch in batches.items()}
        scores = self.averaging.scores(self.network, on_device)
        last_row, last_column = min(rows.last, h), min(columns.last, w)
        inner = (
            slice(rows.inner.start, last_row - rows.start),
            slice(columns.inner.start, last_column - columns.start),
        )
        return Piece(
            slice(rows.first, last_row),
            slice(columns.first, last_column),
            {head: score[:, :, *inner] for head, score in scores.items()},
        )

    def _tile_side(self, h: int, w: int, kept: bool) -> int:
        """The side of the largest tiles that memory allows."""
        even = h % self._tiling.multiple == w % self._tiling.multiple == 0
        if not self.approximate and (self.network.has_global_gates or not even):
            why = "scales the image itself (image_scale)"
            if self.network.has_global_gates:
                why = "scores each pixel by the whole image (global gates)"
            raise ValueError(
                f"{h} x {w} pixels take more than --memory {self.memory:g} GB, and tiles would "
                f"change the scores, as this network {why}. Raise --memory, or allow that with "
                "--approximate."
            )
        smallest, available = self._tiling.smallest, self._available(h, w)
        band = 4 * w * sum(map(len, self.labels.values())) if kept else 0
        for side in range(max(h, w, smallest), smallest - 1, -16):
            if self._demand.bytes(min(side, h), min(side, w)) + band * side <= available:
                return side
        needed = self._demand.bytes(smallest, smallest) + band * smallest - available
        raise ValueError(
            f"{h} x {w} pixels take more than --memory {self.memory:g} GB even in "
            f"tiles of {smallest} x {smallest}. Set --memory to {self.memory + needed / 1e9:.1f}."
        )

    @cached_property
    def _tiling(self) -> Tiling:
        return Tiling.of(self.network, self.averaging.fractions)

    @cached_property
    def _demand(self) -> Demand:
        @torch.inference_mode()
        def score(images: Mapping[str, Tensor]) -> dict[str, Tensor]:
            return self.averaging.scores(self.network, images)

        def probe(side: int) -> dict[str, Tensor]:
            return {
                name: torch.ones(1, channels, side, side, device=self.device)
                for name, channels in self._channels.items()
            }

        return Demand(score, probe)

    @property
    def _channels(self) -> dict[str, int]:
        normalize: str | dict[str, str] = self.network.description["normalize"]
        return {name: len(NORMALIZATIONS[of].mean) for name, of in by_name(normalize).items()}

    def _taken(self) -> int:
        """The memory that is taken already, on the device."""
        if self.device.type == "cuda":
            return torch.cuda.memory_allocated(self.device)
        return resident()

    def _available(self, h: int, w: int, images: int = 1) -> int:
        """The memory for a pass over images of h x w pixels, besides images and label maps."""
        limit = int(self.memory * 1e9)
        if self.device.type == "cuda":
            return min(limit, torch.cuda.mem_get_info(self.device)[0] + self.base) - self.base
        own = sum(4 * channels for channels in self._channels.values()) + len(self.heads)
        return limit * 7 // 8 - self.base - images * h * w * own


def load(
    place: str | Path,
    device: str | torch.device | None = None,
    *,
    averaging: Averaging | None = None,
    memory: float = MEMORY,
    approximate: bool = False,
) -> Predictor:
    """Load the network of a checkpoint, or of a run's last one.

    Args:
        place: A run's folder, or a checkpoint file.
        device: Where the network runs; None for a GPU if there is one, another one for each
            process of torchrun or srun.
        averaging: The versions of an image whose scores are averaged.
        memory: What prediction may take in gigabytes.
        approximate: Allow tiles where they change the scores.

    Raises:
        FileNotFoundError: The run or file does not exist.
        ValueError: It is not a checkpoint, or its network labels whole images.
    """
    checkpoint = read_checkpoint(Path(place))
    network, labels = checkpoint.network(), checkpoint.labels
    if isinstance(network, Classifier):
        raise ValueError(
            f"The network in {place} is a classifier. Only networks that label pixels can predict."
        )
    del checkpoint
    return Predictor(
        network,
        device or local_device(torch.cuda.device_count()),
        labels=labels,
        averaging=averaging,
        memory=memory,
        approximate=approximate,
    )


def _numbered(network: FCN | LateFusion, head: str) -> LabelSet:
    count = by_name(network.description["num_classes"])[head]
    return LabelSet("classes", tuple(map(str, range(count))))


def _size(images: Sequence[Mapping[str, Image]]) -> tuple[int, int]:
    """The one size (h, w) of images."""
    sizes = {each.shape[:2] for image in images for each in image.values()}
    if len(sizes) > 1:
        raise ValueError(
            "The images of all modalities must have one size; got "
            f"{', '.join(f'{h} x {w}' for h, w in sorted(sizes))}."
        )
    h, w = sizes.pop()
    return h, w


def _tensor(image: Image) -> Tensor:
    pixels = torch.from_numpy(image if image.flags.writeable else image.copy())
    return pixels[None] if pixels.ndim == 2 else pixels.permute(2, 0, 1)
