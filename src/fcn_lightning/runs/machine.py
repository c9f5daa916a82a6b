"""The machine that a run uses: its device and its memory."""

from __future__ import annotations

import resource

import torch
from lightning import Trainer


def device_name(trainer: Trainer) -> str:
    """Name the device of process 0: a GPU's model, or `cpu`."""
    device = trainer.strategy.root_device
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def peak_memory(trainer: Trainer) -> tuple[int, int | None]:
    """Return the most bytes that this process has used, in memory and on its GPU if it has one."""
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    device = trainer.strategy.root_device
    on_gpu = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
    return kilobytes * 1024, on_gpu
