"""Label maps of images: a trained network as a function."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import UInt8
from numpy import ndarray
from torch import Tensor

from fcn_lightning.formats import read_checkpoint
from fcn_lightning.models import FCN


class Predictor:
    """A network that labels images one at a time, in their own size."""

    def __init__(self, network: FCN, device: str | torch.device = "cpu") -> None:
        self.network = network.eval().to(device)
        self.device = device

    @property
    def heads(self) -> list[str]:
        """The names of the network's heads; "" for a single one."""
        classes = self.network.description["num_classes"]
        return list(classes) if isinstance(classes, dict) else [""]

    @torch.inference_mode()
    def predict(
        self, image: UInt8[ndarray, "h w 3"]
    ) -> UInt8[ndarray, "h w"] | dict[str, UInt8[ndarray, "h w"]]:
        """The class of each pixel of an RGB image; by head if there are several."""
        pixels = torch.from_numpy(image).permute(2, 0, 1)[None].to(self.device)
        scores = self.network(pixels)
        if isinstance(scores, Tensor):
            return _labels(scores)
        return {head: _labels(score) for head, score in scores.items()}


def load(place: Path, device: str | torch.device | None = None) -> Predictor:
    """Load the network of a checkpoint, or of a run's last one, on a GPU if there is one.

    Raises:
        FileNotFoundError: The run or file does not exist.
        ValueError: It is not a checkpoint, or its network does not label single RGB images.
    """
    network = read_checkpoint(place).network()
    if not isinstance(network, FCN) or network.description["fusion"] is not None:
        kind = "of several modalities" if network.description["fusion"] else "a classifier"
        raise ValueError(
            f"The network in {place} is {kind}. Only networks that label RGB images can predict."
        )
    return Predictor(network, device or ("cuda" if torch.cuda.is_available() else "cpu"))


def label_paths(
    images: Sequence[Path], folder: Path, heads: Sequence[str], *, overwrite: bool
) -> dict[Path, dict[str, Path]]:
    """The path of each image's label map by head: NAME.png, or NAME_HEAD.png for a named head.

    Args:
        images: The image files.
        folder: The folder of all label maps; it need not exist.
        heads: The names of the heads; "" for a single one.
        overwrite: Label maps may exist.

    Raises:
        ValueError: An image is not a file, two images have the same label map, or a label map
            exists or is one of the images.
    """
    _check_images(images)
    paths = {
        image: {head: folder / f"{image.stem}{f'_{head}' if head else ''}.png" for head in heads}
        for image in images
    }
    for path in (path for by_head in paths.values() for path in by_head.values()):
        if any(path.exists() and path.samefile(image) for image in images):
            raise ValueError(f"{path} is one of the images. Choose another folder with --out.")
        if path.exists() and not overwrite:
            raise ValueError(f"{path} already exists. Replace it with --overwrite.")
    return paths


def _check_images(images: Sequence[Path]) -> None:
    stems: dict[str, Path] = {}
    for image in images:
        if image.is_dir():
            raise ValueError(f"{image} is a folder. Give image files.")
        if not image.is_file():
            raise ValueError(f"Image not found: {image}.")
        if (other := stems.setdefault(image.stem, image)) is not image:
            raise ValueError(
                f"{other} and {image} would both be written to {image.stem}.png. Predict them into "
                "different folders."
            )


def _labels(scores: Tensor) -> ndarray:
    labels: ndarray = scores[0].argmax(0).to("cpu", torch.uint8).numpy()
    return labels
