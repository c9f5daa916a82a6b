from __future__ import annotations

import pytest

from fcn_lightning.inference.shards import Shard, local_device

TORCHRUN = {"RANK": "1", "WORLD_SIZE": "3", "LOCAL_RANK": "1"}
SRUN = {"SLURM_PROCID": "2", "SLURM_STEP_NUM_TASKS": "4", "SLURM_LOCALID": "0"}
BATCH_SCRIPT = {"SLURM_PROCID": "0", "SLURM_NTASKS": "4"}


@pytest.mark.parametrize(
    ("given", "environment", "shard"),
    [
        (None, {}, Shard(0, 1)),
        ("2/5", {}, Shard(2, 5)),
        (None, TORCHRUN, Shard(1, 3)),
        (None, SRUN, Shard(2, 4)),
        (None, BATCH_SCRIPT, Shard(0, 1)),
        ("1/2", TORCHRUN, Shard(4, 6)),
    ],
)
def test_a_process_has_its_part(
    given: str | None, environment: dict[str, str], shard: Shard
) -> None:
    assert Shard.parse(given, environment) == shard


@pytest.mark.parametrize("count", [1, 3, 7, 20])
def test_shards_have_each_item_once(count: int) -> None:
    parts = [range(10)[Shard(index, count).items] for index in range(count)]
    assert sorted(item for part in parts for item in part) == list(range(10))


@pytest.mark.parametrize("given", ["3/3", "-1/2", "1", "a/b", "1/0", "/"])
def test_a_shard_that_is_none_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="--shard") as error:
        Shard.parse(given, {})
    assert str(error.value) == f"--shard must be K/N with K from 0 to N - 1; got {given}."


def test_processes_of_a_machine_use_different_gpus() -> None:
    assert local_device(0, TORCHRUN) == "cpu"
    assert local_device(2, TORCHRUN) == "cuda:1"
    assert local_device(1, SRUN) == "cuda:0"
