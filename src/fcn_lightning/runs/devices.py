"""The processes and devices that a trainer's config asks for."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig


@dataclass(frozen=True)
class Needs:
    """Processes of a run over all machines, and GPUs on each machine (0 on CPUs)."""

    num_processes: int
    num_gpus: int
    num_nodes: int


def needs(trainer: DictConfig) -> Needs:
    """Count the processes and GPUs of a trainer's config, on the devices of this machine.

    Raises:
        ValueError: It asks for a GPU and there is none.
    """
    accelerator = trainer.accelerator
    if accelerator in ("cpu", "mps"):
        return _needs(trainer, available=1, gpus=False)
    available = len(visible_gpus())
    if accelerator in ("gpu", "cuda") and not available:
        raise ValueError("`trainer` asks for a GPU; torch sees none. Use trainer=cpu.")
    return _needs(trainer, available=max(1, available), gpus=bool(available))


def declared_needs(trainer: DictConfig) -> Needs:
    """Read what a trainer's config declares in numbers, for a job on another machine.

    Raises:
        ValueError: It leaves the accelerator or the number of devices to the machine.
    """
    if trainer.accelerator not in ("cpu", "gpu", "cuda") or not (
        isinstance(trainer.devices, int) and trainer.devices > 0
    ):
        raise ValueError(
            "A job on a cluster must declare its devices; got trainer.accelerator="
            f"{trainer.accelerator} and trainer.devices={trainer.devices}. Use trainer=gpu, "
            "trainer=ddp with trainer.devices=N for N GPUs, or trainer=cpu."
        )
    return _needs(trainer, available=1, gpus=trainer.accelerator != "cpu")


def visible_gpus() -> list[str]:
    """Return the GPUs that a job may use, by the names that CUDA_VISIBLE_DEVICES takes."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name]
    import torch  # takes a second, and is not needed for jobs on CPUs

    return [str(index) for index in range(torch.cuda.device_count())]


def _needs(trainer: DictConfig, *, available: int, gpus: bool) -> Needs:
    num_devices = _count(trainer.devices, available)
    return Needs(num_devices * trainer.num_nodes, num_devices if gpus else 0, trainer.num_nodes)


def _count(devices: Any, available: int) -> int:
    """Count the devices of Lightning's `devices`: a number, "auto", -1, or a list of indices."""
    if devices in ("auto", -1, "-1"):
        return available
    if isinstance(devices, str):
        return (
            len([part for part in devices.split(",") if part]) if "," in devices else int(devices)
        )
    return devices if isinstance(devices, int) else len(devices)
