"""Augmentation: random transforms that depend on (seed, step, place in the batch) alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from fcn_lightning.data.augment import Augment
from fcn_lightning.data.dataset import Sample
from fcn_lightning.data.loss_sampling import LossSampling
from fcn_lightning.data.samplers import Draw, seed_of
from fcn_lightning.labels import VOID, by_name, unnamed


class Depth(tv_tensors.Image):
    """An image of one channel, the depth."""


FILL = {tv_tensors.Image: (123, 117, 104), Depth: 2550, tv_tensors.Mask: VOID}
"""The fill outside of an image, about zero after normalization, and of a label map: void."""


def compose(augment: Augment) -> v2.Transform:
    """The transform of images and masks that applies these settings, the same to all of them."""
    steps: list[torch.nn.Module] = [v2.Identity()]
    steps += [v2.RandomHorizontalFlip()] if augment.mirror else []
    steps += [_Jitter(augment.jitter)] if augment.jitter else []
    steps += [_RandomScale(*augment.scale)] if augment.scale else []
    if augment.crop:
        steps.append(v2.RandomCrop(augment.crop, pad_if_needed=True, fill=FILL))
    return v2.Compose(steps)


class Augmented(Dataset[Sample]):
    """A data set with augmentation, indexed by Draw: image, step and place in the batch.

    With loss sampling, pixels that are left out of the loss are void.
    """

    def __init__(
        self,
        dataset: Dataset[Sample],
        augment: Augment,
        seed: int,
        sampling: LossSampling | None = None,
    ) -> None:
        self.dataset = dataset
        self.transform = compose(augment)
        self.sampling = sampling
        self.seed = seed

    def __getitem__(self, draw: Draw) -> Sample:
        sample = self.dataset[draw.index]
        images = {name: _image(image) for name, image in by_name(sample["image"]).items()}
        labels = {name: tv_tensors.Mask(label) for name, label in by_name(sample["label"]).items()}
        size = next(iter(images.values())).shape[1:]
        with torch.random.fork_rng(devices=[]):
            # torch.manual_seed seeds GPUs too, which takes a millisecond where there is none.
            torch.default_generator.manual_seed(
                seed_of("augmentation", self.seed, draw.step, draw.place)
            )
            if all(label.shape == size for label in labels.values()):
                images, labels = self.transform(images, labels)
            else:  # the label of the whole image, 1 x 1
                images = self.transform(images)
        if self.sampling:
            size = next(iter(labels.values())).shape[-2:]
            own_seed = seed_of("loss sampling", self.seed, draw.step, draw.place)
            left_out = self.sampling.left_out(tuple(size), own_seed)
            labels = {name: label.masked_fill(left_out, VOID) for name, label in labels.items()}
        return {"image": _plain(images), "label": _plain(labels), "name": sample["name"]}


def _image(pixels: Tensor) -> tv_tensors.Image:
    return Depth(pixels) if len(pixels) == 1 else tv_tensors.Image(pixels)


def _plain(values: Mapping[str, Tensor]) -> Tensor | dict[str, Tensor]:
    return unnamed({name: value.as_subclass(Tensor) for name, value in values.items()})


class _Jitter(v2.Transform):
    """Shifts by whole pixels, up to `max_shift` in each direction."""

    def __init__(self, max_shift: int) -> None:
        super().__init__()
        self.max_shift = max_shift

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        shift = torch.randint(-self.max_shift, self.max_shift + 1, (2,)).tolist()
        return {"translate": shift}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        x, y = params["translate"]
        h, w = inpt.shape[-2:]
        padding = [max(x, 0), max(y, 0), max(-x, 0), max(-y, 0)]
        padded = F.pad(inpt, padding, fill=FILL[type(inpt)])
        return F.crop(padded, max(-y, 0), max(-x, 0), h, w)


class _RandomScale(v2.Transform):
    """Scales by a random factor whose logarithm is uniform."""

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        self.low, self.high = math.log(low), math.log(high)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        factor = math.exp(self.low + (self.high - self.low) * float(torch.rand(())))
        h, w = flat_inputs[0].shape[-2:]
        return {"size": [max(1, round(h * factor)), max(1, round(w * factor))]}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        nearest = isinstance(inpt, tv_tensors.Mask)
        mode = v2.InterpolationMode.NEAREST_EXACT if nearest else v2.InterpolationMode.BILINEAR
        return F.resize(inpt, params["size"], interpolation=mode, antialias=not nearest)
