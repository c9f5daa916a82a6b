"""What every Trainer is told, and what a config's Trainer needs."""

from __future__ import annotations

import logging
import sys
import warnings
from dataclasses import dataclass
from typing import Any

import torch
from hydra.utils import instantiate
from lightning import Trainer
from lightning.pytorch.accelerators import CUDAAccelerator
from omegaconf import DictConfig

TRAINER: dict[str, Any] = {
    "check_val_every_n_epoch": None,
    "num_sanity_val_steps": 0,
    "use_distributed_sampler": False,
    "enable_model_summary": False,
    "enable_progress_bar": sys.stdout.isatty(),
}
"""What a Trainer is told in every run: validation is counted in steps, samplers are ours."""


LIGHTNINGS_OWN = (
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",  # it calls torch so
    r".*does not have many workers",  # `num_workers` is the user's choice
    r"Checkpoint directory .* exists and is not empty",  # as it is where a run goes on
    r"You're resuming from a checkpoint that ended before the epoch ended",  # by the step, exactly
    r"The `srun` command is available on your system",  # by hand on a cluster's node
    r"It is recommended to use `self.log\(.*, sync_dist=True\)`",  # they are of all processes
    r"`broadcast_buffers` is deprecated",  # older releases of torch have no other word for it
    r"The number of training batches .* is smaller than the logging interval",
)
"""What Lightning warns of and no user of ours can change."""


@dataclass(frozen=True)
class Needs:
    """What a job runs on: processes in all, and the GPUs of each machine, 0 for a job on CPUs."""

    num_processes: int
    num_gpus: int
    num_nodes: int


def configure_torch() -> None:
    """Float32 means IEEE float32: no TF32."""
    torch.backends.cudnn.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    for message in LIGHTNINGS_OWN:
        warnings.filterwarnings("ignore", message)


def needs(config: DictConfig) -> Needs:
    """What the trainer of a config runs on."""
    configure_torch()
    probe: Trainer = instantiate(
        config.trainer, logger=False, enable_checkpointing=False, **TRAINER
    )
    on_gpus = isinstance(probe.accelerator, CUDAAccelerator)
    num_processes = probe.num_devices * probe.num_nodes  # a cluster's variables may say otherwise
    return Needs(num_processes, probe.num_devices if on_gpus else 0, probe.num_nodes)
