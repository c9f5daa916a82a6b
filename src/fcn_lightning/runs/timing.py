"""Timed steps of a run's network, and the forward time of any network, with random images."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra.errors import HydraException
from hydra.utils import instantiate
from torch import Tensor

from fcn_lightning.data import Splits, shapes
from fcn_lightning.labels import by_name, num_classes, unnamed
from fcn_lightning.losses import softmax_loss
from fcn_lightning.models import Network
from fcn_lightning.models.normalize import NORMALIZATIONS
from fcn_lightning.optim import configure
from fcn_lightning.runs.run import Run
from fcn_lightning.runs.trainer import configure_torch
from fcn_lightning.task import MEMORY_FORMATS

Clock = Callable[[], float]

SLOW = 10.0
"""Seconds from which the first call of a step is its time, and no other one is made."""

WRITING = 1.25
"""Time to draw the embedded images and write their files, over the time to draw them."""

HALF = {"16-mixed": torch.float16, "bf16-mixed": torch.bfloat16}


@dataclass(frozen=True)
class Images:
    """The images of a data set, as far as they decide how long a run takes.

    Attributes:
        size: (h, w) of an image.
        num_scored: The images of the validation split.
        num_classes: Of each head if there are several.
    """

    size: tuple[int, int]
    num_scored: int
    num_classes: int | dict[str, int]


UNKNOWN = Images((375, 500), 1000, 21)
"""Where the data cannot be read yet: the size of VOC's photographs."""


def images_of(run: Run) -> Images:
    """Look at a run's data set; nothing is downloaded, and the scenes of `shapes` are not drawn."""
    if not_drawn := _embedded_not_drawn(run):
        return not_drawn
    data = run.config.data.copy()
    if "download" in data:
        data.download = False
    try:
        splits: Splits = instantiate(data, _convert_="all")
        h, w = next(iter(by_name(splits.val[0]["image"]).values())).shape[1:]
    except (HydraException, ValueError, OSError):  # the run itself tells it, if it is still so
        return UNKNOWN
    return Images((h, w), len(splits.val), num_classes(splits.labels))


def drawing_seconds(run: Run, num_timed: int = 10, clock: Clock = time.perf_counter) -> float:
    """Time a few of the embedded images; 0 where the run does not draw them."""
    if _embedded_not_drawn(run) is None:
        return 0.0
    rng, began = np.random.default_rng(0), clock()
    for _ in range(num_timed):
        shapes.scene(rng)
    scenes = clock() - began
    for _ in range(num_timed):
        shapes.single(rng, 1)
    singles = clock() - began - scenes
    num_singles = shapes.NUM_SINGLE_TRAIN + shapes.NUM_SINGLE_VAL
    total = scenes * (shapes.NUM_TRAIN + shapes.NUM_VAL) + singles * num_singles
    return WRITING * total / num_timed


def step_seconds(run: Run, images: Images, clock: Clock = time.perf_counter) -> tuple[float, float]:
    """Time an optimizer step and the scoring of an image, on the device that the run will use.

    A batch that would take more than SLOW seconds counts as so many times its first image. A run
    that chooses its memory format is timed contiguous.
    """
    configure_torch(run.settings.matmul_precision)
    device = torch.device("cuda" if run.needs.num_gpus else "cpu")
    given = run.settings.memory_format
    memory_format = MEMORY_FORMATS["contiguous" if given == "auto" else given]
    network = run.network(images.num_classes).to(memory_format=memory_format).to(device)
    optimizer, _ = configure(network, run.recipe)
    per_pass, num_passes = run.recipe.passes(run.needs.num_processes)
    crop = run.augment.crop
    size = (crop, crop) if crop else images.size
    image = _random(1, images.size, run.settings.normalize, device)

    def one_pass(num_images: int) -> None:
        optimizer.zero_grad()
        train_pass(run, network, num_images, size)
        optimizer.step()
        _wait(device)

    def score_one() -> None:
        with torch.no_grad():
            [score.argmax(1) for score in _scores(run, network, image)]
        _wait(device)

    a_pass = per_pass * seconds(lambda: one_pass(1), clock)
    if per_pass > 1 and a_pass <= SLOW:
        a_pass = seconds(lambda: one_pass(per_pass), clock)
    network.eval()
    return num_passes * a_pass, seconds(score_one, clock)


def train_pass(run: Run, network: Network, num_images: int, size: tuple[int, int]) -> None:
    """Compute the gradients of the loss of random images, and wait for them."""
    device = next(network.parameters()).device
    scores = _scores(run, network, _random(num_images, size, run.settings.normalize, device))
    label = torch.zeros((num_images, *scores[0].shape[2:]), dtype=torch.uint8, device=device)
    losses = [softmax_loss(score, label, run.recipe.reduction).mean() for score in scores]
    torch.autograd.backward(losses)
    _wait(device)


def forward_seconds(
    network: Network,
    size: tuple[int, int] = (500, 500),
    num_trials: int = 20,
    device: str | torch.device = "cpu",
    clock: Clock = time.perf_counter,
) -> float:
    """Time the forward pass of one image, as the mean of several trials after a first one.

    The image has random pixels and is on the device. Float32 is IEEE float32. The network is moved
    to the device and stays there. A first trial of more than SLOW seconds is the only one.

    Args:
        network: Any network.
        size: (h, w) of the image, of each modality.
        num_trials: Number of trials.
        device: Where to compute.
        clock: Returns seconds.

    Source: Long et al. 2015, Table 1: 500 x 500, 20 trials.
    """
    configure_torch()
    device = torch.device(device)
    image = _random(1, size, network.description["normalize"], device)
    training = network.training
    network.to(device).eval()

    def forward() -> None:
        network(image)
        _wait(device)

    with torch.inference_mode():
        mean = seconds(forward, clock, num_trials)
    network.train(training)
    return mean


def seconds(
    action: Callable[[], Any], clock: Clock = time.perf_counter, num_timed: int = 2
) -> float:
    """Time an action after a first call, or by its first call where that takes more than SLOW."""
    began = clock()
    action()
    if (first := clock() - began) > SLOW:
        return first
    began = clock()
    for _ in range(num_timed):
        action()
    return (clock() - began) / num_timed


def _scores(run: Run, network: Network, batch: Tensor | dict[str, Tensor]) -> list[Tensor]:
    """The scores of each head, in the run's precision."""
    half = HALF.get(str(run.config.trainer.precision))
    device = next(network.parameters()).device
    with torch.autocast(device.type, half, enabled=half is not None):
        return list(by_name(network(batch)).values())


def _embedded_not_drawn(run: Run) -> Images | None:
    """Return the images that a run will draw; None where it draws none."""
    data, rng = run.config.data, np.random.default_rng(0)
    module, _, kind = str(data._target_).rpartition(".")
    if module != shapes.__name__ or Path(data.root).is_dir():
        return None
    if kind == "singles":
        h, w = shapes.single(rng, 1).shape[:2]
        return Images((h, w), shapes.NUM_SINGLE_VAL, len(shapes.SINGLE_SHAPES))
    h, w = shapes.scene(rng)[0].shape[:2]
    return Images((h, w), shapes.NUM_VAL, len(shapes.SHAPES))


def _random(
    num_images: int,
    size: tuple[int, int],
    normalize: str | dict[str, str],
    device: torch.device,
) -> Tensor | dict[str, Tensor]:
    """Return random images of each modality."""
    channels = {name: len(NORMALIZATIONS[of].mean) for name, of in by_name(normalize).items()}
    return unnamed(
        {
            name: torch.randint(256, (num_images, c, *size), dtype=torch.uint8, device=device)
            for name, c in channels.items()
        }
    )


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
