"""The machine that a run uses: its device, its memory, its folder of temporary files."""

from __future__ import annotations

import resource
import tempfile

import torch
from lightning import Trainer

LONGEST_TMPDIR = 71
"""Characters: a socket's path has at most 103 on some systems, of which its name takes 32."""


def check_temporary_folder(num_workers: int) -> None:
    """Refuse a folder in which processes that read images cannot pass them on; a run would hang.

    Raises:
        ValueError: Its path is too long.
    """
    folder = tempfile.gettempdir()
    if num_workers and len(folder) > LONGEST_TMPDIR:
        raise ValueError(
            f"The path of the folder of temporary files, {folder}, has more than {LONGEST_TMPDIR} "
            "characters, too many for the sockets of processes that read images. Name a shorter "
            "one in the variable TMPDIR."
        )


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
