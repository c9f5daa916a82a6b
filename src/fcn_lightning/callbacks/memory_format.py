"""The memory format of a network that is trained."""

from __future__ import annotations

import logging
from collections.abc import Callable

from lightning import Callback, LightningModule, Trainer

from fcn_lightning.task import SegmentationTask

log = logging.getLogger("fcn_lightning")


class MemoryFormat(Callback):
    """Puts the network into one memory format before it is trained, the same on all processes.

    Args:
        choose: Names the format; called by process 0 alone, when its devices are known.
    """

    def __init__(self, choose: Callable[[], str]) -> None:
        self._choose = choose

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage != "fit":
            return
        assert isinstance(pl_module, SegmentationTask)
        chosen = self._choose() if trainer.is_global_zero else ""
        pl_module.arrange(trainer.strategy.broadcast(chosen))
        log.info("memory format: %s", pl_module.card["memory_format"])
