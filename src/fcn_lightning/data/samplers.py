"""The order of training images, a function of (seed, step), and the shards of a validation set."""

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
    """Derive a seed from a purpose and an address, such as (seed, step, place in the batch)."""
    entropy = (zlib.crc32(purpose.encode()), *address)
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> np.uint64(1))


@dataclass(frozen=True)
class Draw:
    """An image for one place in the batch of one step."""

    index: int
    step: int
    place: int


def drawn(order: Order, num_images: int, seed: int, first: int = 0) -> Iterator[int]:
    """The endless sequence of image indices, from position `first` on.

    "with_replacement" draws as Python 2's `random.randint` does; with seed 1337 it gives the order
    of the reference. "permutation" shuffles all images again and again.

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
    """The forward passes of one process, from `first_step` on; each is a list of draws.

    The batch of a step is split in order into passes of `per_pass` images, which are dealt to the
    processes in turn.
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
        """All passes of the run, with those before `first_step`: Lightning counts these too."""
        return self.max_steps * self.batch // (self.per_pass * self.num_processes)

    def __iter__(self) -> Iterator[list[Draw]]:
        first = self.first_step * self.batch
        indices = drawn(self.order, self.num_images, self.seed, first)
        for step in range(self.first_step, self.max_steps):
            draws = [Draw(next(indices), step, place) for place in range(self.batch)]
            passes = [draws[i : i + self.per_pass] for i in range(0, self.batch, self.per_pass)]
            yield from passes[self.rank :: self.num_processes]


class Shard(Sampler[int]):
    """Every n-th image for one of n processes, so that no image is scored twice."""

    def __init__(self, num_images: int, rank: int, num_processes: int) -> None:
        super().__init__()
        self.indices = range(rank, num_images, num_processes)

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[int]:
        return iter(self.indices)
