"""Which image is trained on when, as a function of (seed, step); and who scores which."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
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


def drawn(order: Order, num_images: int, seed: int, step: int, batch: int) -> list[int]:
    """The images of one update: drawn independently, or the next ones of endless permutations."""
    if order == "with_replacement":
        rng = np.random.default_rng(seed_of("images", seed, step))
        return [int(i) for i in rng.integers(num_images, size=batch)]
    positions = range(step * batch, (step + 1) * batch)
    rounds = {p // num_images for p in positions}
    rngs = {r: np.random.default_rng(seed_of("permutation", seed, r)) for r in rounds}
    shuffled = {r: rng.permutation(num_images) for r, rng in rngs.items()}
    return [int(shuffled[p // num_images][p % num_images]) for p in positions]


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
        for step in range(self.first_step, self.max_steps):
            indices = drawn(self.order, self.num_images, self.seed, step, self.batch)
            draws = [Draw(index, step, place) for place, index in enumerate(indices)]
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
