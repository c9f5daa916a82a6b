"""Which image is trained on when, as a function of (seed, step); and who scores which."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Literal

import numpy as np
from torch.utils.data import Sampler

Order = Literal["with_replacement", "permutation"]


def seed_of(purpose: str, *address: int) -> int:
    """A seed that is a function of what it is for and of where: of (seed, step, place), say."""
    entropy = (zlib.crc32(purpose.encode()), *address)
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> np.uint64(1))


@dataclass(frozen=True)
class Draw:
    """An image for one place in the batch of one update."""

    index: int
    step: int
    place: int


def drawn(order: Order, num_images: int, seed: int, first: int = 0) -> Iterator[int]:
    """The endless sequence of images from the `first` one on.

    "with_replacement" draws as the reference does, by Python 2's `random.randint`, which it seeds
    with 1337; "permutation" goes through all images again and again, each time shuffled.

    Source: shelhamer/fcn.berkeleyvision.org voc_layers.py.
    """
    if order == "with_replacement":
        rng = random.Random(seed)
        for position in count():
            index = int(rng.random() * num_images)
            if position >= first:
                yield index
    for position in count(first // num_images):
        shuffle = np.random.default_rng(seed_of("permutation", seed, position))
        done = max(0, first - position * num_images)
        yield from shuffle.permutation(num_images)[done:].tolist()


class TrainingOrder(Sampler[list[Draw]]):
    """The passes of one process: each a list of `per_pass` draws, from `first_step` on.

    An update's batch is cut into passes in order, dealt to the processes in turn.
    """

    def __init__(
        self,
        order: Order,
        num_images: int,
        *,
        seed: int,
        batch: int,
        per_pass: int,
        max_steps: int,
        first_step: int = 0,
        rank: int = 0,
        num_processes: int = 1,
    ) -> None:
        super().__init__()
        self.order, self.num_images, self.seed = order, num_images, seed
        self.batch, self.per_pass = batch, per_pass
        self.first_step, self.max_steps = first_step, max_steps
        self.rank, self.num_processes = rank, num_processes

    def __len__(self) -> int:
        """All passes of the run, also those before `first_step`: what Lightning counts to."""
        return self.max_steps * self.batch // (self.per_pass * self.num_processes)

    def __iter__(self) -> Iterator[list[Draw]]:
        first = self.first_step * self.batch
        indices = drawn(self.order, self.num_images, self.seed, first)
        for step in range(self.first_step, self.max_steps):
            draws = [Draw(next(indices), step, place) for place in range(self.batch)]
            passes = [draws[i : i + self.per_pass] for i in range(0, self.batch, self.per_pass)]
            yield from passes[self.rank :: self.num_processes]


class Shard(Sampler[int]):
    """Every n-th image for one of n processes, none of them twice."""

    def __init__(self, num_images: int, rank: int, num_processes: int) -> None:
        super().__init__()
        self.indices = range(rank, num_images, num_processes)

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[int]:
        return iter(self.indices)
