"""The part of a list that one of several processes works on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

RANKS = {"torchrun": ("RANK", "WORLD_SIZE"), "srun": ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS")}
"""The variables in which a launcher gives each process its number, and their count.

A batch script of SLURM that starts the command without srun has no SLURM_STEP_NUM_TASKS.
"""


@dataclass(frozen=True)
class Shard:
    """Every `count`-th item of a list, from number `index` on."""

    index: int = 0
    count: int = 1

    @classmethod
    def parse(cls, given: str | None, environment: Mapping[str, str] = os.environ) -> Shard:
        """The shard `K/N`, divided among the processes of torchrun or srun if they run this one.

        Raises:
            ValueError: `given` is not K/N with K from 0 to N - 1.
        """
        index, _, count = (given or "0/1").partition("/")
        if not (index.isdecimal() and count.isdecimal() and int(index) < int(count)):
            raise ValueError(f"--shard must be K/N with K from 0 to N - 1; got {given}.")
        shard = cls(int(index), int(count))
        for number, size in RANKS.values():
            if number in environment and size in environment:
                rank, processes = int(environment[number]), int(environment[size])
                return cls(shard.index * processes + rank, shard.count * processes)
        return shard

    @property
    def items(self) -> slice:
        """The items of a list that belong to the shard."""
        return slice(self.index, None, self.count)


def local_device(num_gpus: int, environment: Mapping[str, str] = os.environ) -> str:
    """The device of this process among those of its machine."""
    local = int(environment.get("LOCAL_RANK", environment.get("SLURM_LOCALID", "0")))
    return f"cuda:{local % num_gpus}" if num_gpus else "cpu"
