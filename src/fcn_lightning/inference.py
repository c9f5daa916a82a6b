"""Label maps of images: a trained network as a function."""

from __future__ import annotations

import glob
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import Float32, UInt8
from numpy import ndarray
from torch import Tensor

from fcn_lightning.data.images import read_depth, read_image
from fcn_lightning.formats import read_checkpoint
from fcn_lightning.labels import by_name, unnamed
from fcn_lightning.models import FCN, Classifier, LateFusion
from fcn_lightning.models.normalize import NORMALIZATIONS

Image = UInt8[ndarray, "h w 3"] | Float32[ndarray, "h w"]
"""RGB, or a depth."""

Prediction = UInt8[ndarray, "h w"] | dict[str, UInt8[ndarray, "h w"]]


class Predictor:
    """A network that labels images one at a time, in their own size."""

    def __init__(self, network: FCN | LateFusion, device: str | torch.device = "cpu") -> None:
        self.network = network.eval().to(device)
        self.device = device

    @property
    def modalities(self) -> dict[str, Callable[[Path], ndarray]]:
        """The functions that read the images of each modality; "" for a single one."""
        normalize: str | dict[str, str] = self.network.description["normalize"]
        return {
            name: read_depth if len(NORMALIZATIONS[of].mean) == 1 else read_image
            for name, of in by_name(normalize).items()
        }

    @property
    def heads(self) -> list[str]:
        """The names of the network's heads; "" for a single one."""
        classes = self.network.description["num_classes"]
        return list(classes) if isinstance(classes, dict) else [""]

    @torch.inference_mode()
    def predict(self, image: Image | Mapping[str, Image]) -> Prediction:
        """The class of each pixel of an image; by head if there are several.

        Args:
            image: RGB or a depth; of each modality if there are several, in one size.

        Raises:
            ValueError: Images are missing, or have different sizes.
        """
        images = by_name(image)
        if len(sizes := {each.shape[:2] for each in images.values()}) > 1:
            raise ValueError(
                "The images of all modalities must have one size; got "
                f"{', '.join(f'{h} x {w}' for h, w in sorted(sizes))}."
            )
        scores = self.network(unnamed({name: self._batch(each) for name, each in images.items()}))
        return unnamed({head: _labels(score) for head, score in by_name(scores).items()})

    def _batch(self, image: Image) -> Tensor:
        pixels = torch.from_numpy(image)
        pixels = pixels[None] if pixels.ndim == 2 else pixels.permute(2, 0, 1)
        return pixels[None].to(self.device)


def load(place: Path, device: str | torch.device | None = None) -> Predictor:
    """Load the network of a checkpoint, or of a run's last one, on a GPU if there is one.

    Raises:
        FileNotFoundError: The run or file does not exist.
        ValueError: It is not a checkpoint, or its network labels whole images.
    """
    network = read_checkpoint(place).network()
    if isinstance(network, Classifier):
        raise ValueError(
            f"The network in {place} is a classifier. Only networks that label pixels can predict."
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


def modality_paths(
    images: Sequence[Path], modalities: Sequence[str], given: Sequence[str]
) -> dict[Path, dict[str, Path]]:
    """The files of each image by modality: the image is the first, others have its name.

    Args:
        images: The image files.
        modalities: The modalities of the network; "" for a single one.
        given: `NAME=FOLDER` for each modality but the first.

    Raises:
        ValueError: A modality is missing or unknown, or an image has no file of it.
    """
    folders = {name: Path(folder) for name, _, folder in (each.partition("=") for each in given)}
    first, *others = modalities
    if sorted(folders) != sorted(others):
        needs = " ".join(f"--modality {name}=FOLDER" for name in others) or "no --modality"
        raise ValueError(
            f"The network labels {f'{first} images and needs' if first else 'single images:'} "
            f"{needs}; got {' '.join(given) or 'none'}."
        )
    return {
        image: {first: image} | {name: _beside(image, folders[name]) for name in others}
        for image in images
    }


def _beside(image: Path, folder: Path) -> Path:
    """The one file of a folder that has the name of an image, whatever its suffix."""
    found = sorted(folder.glob(f"{glob.escape(image.stem)}.*"))
    if len(found) != 1:
        problem = f"has {len(found)} files" if found else "has no file"
        raise ValueError(f"{folder} {problem} {image.stem}.*; one is needed for {image}.")
    return found[0]


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
