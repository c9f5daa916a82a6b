"""Augmentation, drawn from (seed, step, place in the batch) and from nothing else."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import Dataset
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from fcn_lightning.data.dataset import Sample
from fcn_lightning.data.samplers import Draw, seed_of
from fcn_lightning.labels import VOID

FILL = {tv_tensors.Image: (123, 117, 104), tv_tensors.Mask: VOID}
"""What lies outside of an image: about zero after normalization, and void."""


@dataclass(frozen=True)
class Augment:
    """Which changes a training image goes through, in this order; by default none.

    Attributes:
        mirror: Left and right are exchanged half of the time.
        jitter: The largest shift in each direction, in pixels (the paper tried 32).
        scale: Range of factors that the image is scaled by; None for its own size.
        crop: Side of the square that is cut out; None for the whole image.

    Source: Long et al. 2015, 4.3, "Augmentation": mirroring and jittering "yielded no noticeable
    improvement".
    """

    mirror: bool = False
    jitter: int = 0
    scale: Sequence[float] | None = None
    crop: int | None = None

    def __post_init__(self) -> None:
        if self.jitter < 0 or (self.crop is not None and self.crop < 1):
            raise ValueError(
                "`augment.jitter` must be 0 or more and `augment.crop` 1 or more; got "
                f"{self.jitter} and {self.crop}."
            )
        scale = self.scale or (1.0, 1.0)
        if len(scale) != 2 or not 0 < scale[0] <= scale[1]:
            raise ValueError(
                "`augment.scale` must be the least and the largest of positive factors; got "
                f"{self.scale}."
            )

    def transform(self) -> v2.Transform:
        """The transform of a pair of image and mask."""
        steps: list[torch.nn.Module] = [v2.Identity()]
        steps += [v2.RandomHorizontalFlip()] if self.mirror else []
        steps += [_Jitter(self.jitter)] if self.jitter else []
        steps += [_RandomScale(*self.scale)] if self.scale else []
        if self.crop:
            steps.append(v2.RandomCrop(self.crop, pad_if_needed=True, fill=FILL))
        return v2.Compose(steps)


class Augmented(Dataset[Sample]):
    """A data set that is asked for draws: which image, and for which place of which update."""

    def __init__(self, dataset: Dataset[Sample], augment: Augment, seed: int) -> None:
        self.dataset = dataset
        self.transform = augment.transform()
        self.seed = seed

    def __getitem__(self, draw: Draw) -> Sample:
        sample = self.dataset[draw.index]
        image, label = tv_tensors.Image(sample["image"]), tv_tensors.Mask(sample["label"])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of("augmentation", self.seed, draw.step, draw.place))
            if label.shape == image.shape[1:]:
                image, label = self.transform(image, label)
            else:  # the class of the whole image
                image = self.transform(image)
        return {
            "image": image.as_subclass(torch.Tensor),
            "label": label.as_subclass(torch.Tensor),
            "name": sample["name"],
        }


class _Jitter(v2.Transform):
    """Shifts by whole pixels, up to `most` in each direction."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        shift = torch.randint(-self.most, self.most + 1, (2,)).tolist()
        return {"translate": shift}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.affine(inpt, 0.0, params["translate"], 1.0, [0.0], fill=FILL[type(inpt)])


class _RandomScale(v2.Transform):
    """Scales by a factor that is drawn uniformly in its logarithm."""

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        self.low, self.high = math.log(low), math.log(high)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        factor = math.exp(self.low + (self.high - self.low) * float(torch.rand(())))
        h, w = flat_inputs[0].shape[-2:]
        return {"size": [max(1, round(h * factor)), max(1, round(w * factor))]}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        nearest = isinstance(inpt, tv_tensors.Mask)
        how = v2.InterpolationMode.NEAREST_EXACT if nearest else v2.InterpolationMode.BILINEAR
        return F.resize(inpt, params["size"], interpolation=how, antialias=not nearest)
