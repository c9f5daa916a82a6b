"""The memory format in which a run's network trains faster on this machine, by timed passes."""

from __future__ import annotations

import copy
import hashlib
import json
import platform
import time
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from pydantic import TypeAdapter, ValidationError

from fcn_lightning.data import SegmentationDataset
from fcn_lightning.files import replacing
from fcn_lightning.formats import read_checkpoint
from fcn_lightning.labels import by_name
from fcn_lightning.models import Classifier, Network
from fcn_lightning.runs.run import Run
from fcn_lightning.runs.timing import Clock, seconds, train_pass
from fcn_lightning.task import MEMORY_FORMATS

SMALL = 64
"""The side of the image, in pixels, that is timed on a CPU: layers decide, hardly the size."""


def memory_format(
    run: Run, network: Network, train: SegmentationDataset, continued: Path | None
) -> str:
    """Return the memory format of a run: the configured one, or else the faster one.

    A run that continues a checkpoint keeps the checkpoint's. A measurement is kept in the folder of
    all runs, so that a machine answers the same again.

    Args:
        run: The run, whose devices and precision count.
        network: Its network, which is not changed.
        train: Its training images.
        continued: The checkpoint that it continues.
    """
    if run.settings.memory_format != "auto":
        return run.settings.memory_format
    if continued is not None:
        return read_checkpoint(continued).memory_format
    path = Path(run.config.paths.runs) / "memory_formats" / f"{_key(run, network)}.json"
    if known := _known(path):
        return min(known, key=lambda name: known[name])
    h, w = next(iter(by_name(train[0]["image"]).values())).shape[1:]
    crop = run.augment.crop
    measured = time_formats(run, network, (crop, crop) if crop else (h, w))
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(measured))
    return min(measured, key=lambda name: measured[name])


def _known(path: Path) -> dict[str, float]:
    """The seconds that were measured; none where the file is missing or damaged."""
    kind = TypeAdapter(dict[Literal["contiguous", "channels_last"], float])
    try:
        found = kind.validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return {}
    return {str(name): value for name, value in found.items()}


def time_formats(
    run: Run, network: Network, size: tuple[int, int], clock: Clock = time.perf_counter
) -> dict[str, float]:
    """Time a training pass of one image in each memory format, in seconds."""
    device = torch.device("cuda" if run.needs.num_gpus else "cpu")
    if device.type == "cpu" and not isinstance(network, Classifier):
        size = (SMALL, SMALL)
    measured = {}
    with torch.random.fork_rng():
        for name, memory_format in MEMORY_FORMATS.items():
            timed = copy.deepcopy(network).to(device).to(memory_format=memory_format)
            measured[name] = seconds(partial(train_pass, run, timed, 1, size), clock)
    return measured


def _key(run: Run, network: Network) -> str:
    """Name what a measurement depends on: machine, torch, threads, network and precision."""
    gpu = torch.cuda.get_device_name() if run.needs.num_gpus else ""
    depends = [
        *(platform.node(), platform.machine(), gpu, torch.__version__, torch.get_num_threads()),
        *(run.config.trainer.precision, run.settings.matmul_precision),
        *(network.description, run.recipe.fixed),
    ]
    return hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest()[:16]
