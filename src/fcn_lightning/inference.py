"""Masks of one's own images: a trained network as a function from image to label map."""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import UInt8
from numpy import ndarray
from torch import Tensor

from fcn_lightning.models import FCN
from fcn_lightning.weights import read_checkpoint


class Predictor:
    """A network that labels images, one at a time and in their own size."""

    def __init__(self, network: FCN, device: str | torch.device = "cpu") -> None:
        self.network = network.eval().to(device)
        self.device = device

    @property
    def heads(self) -> list[str]:
        """The names of the network's heads; one without a name where there is only one."""
        classes = self.network.description["num_classes"]
        return list(classes) if isinstance(classes, dict) else [""]

    @torch.inference_mode()
    def predict(
        self, image: UInt8[ndarray, "h w 3"]
    ) -> UInt8[ndarray, "h w"] | dict[str, UInt8[ndarray, "h w"]]:
        """The class of each pixel of an RGB image; by each head, where there are several."""
        pixels = torch.from_numpy(image).permute(2, 0, 1)[None].to(self.device)
        scores = self.network(pixels)
        if isinstance(scores, Tensor):
            return _labels(scores)
        return {head: _labels(score) for head, score in scores.items()}


def load(place: Path, device: str | torch.device | None = None) -> Predictor:
    """The network of a run (its last checkpoint) or of a checkpoint, on a GPU where there is one.

    Raises:
        FileNotFoundError: There is no such run or file.
        ValueError: It is no checkpoint, or its network does not label single RGB images.
    """
    network = read_checkpoint(place).network()
    if not isinstance(network, FCN) or network.description["fusion"] is not None:
        raise ValueError(
            f"{place} must hold a network that labels RGB images; it holds "
            f"{'one of several modalities' if network.description['fusion'] else 'a classifier'}."
        )
    return Predictor(network, device or ("cuda" if torch.cuda.is_available() else "cpu"))


def _labels(scores: Tensor) -> ndarray:
    labels: ndarray = scores[0].argmax(0).to("cpu", torch.uint8).numpy()
    return labels
