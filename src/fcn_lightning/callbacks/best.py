"""The checkpoint of the best validation."""

from __future__ import annotations

import torch
from lightning import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor


class BestCheckpoint(ModelCheckpoint):
    """Keeps the checkpoint with the highest score; a validation without a score is never best.

    Lightning would keep the first such checkpoint with a score of minus infinity, which W&B cannot
    store.
    """

    def check_monitor_top_k(self, trainer: Trainer, current: Tensor | None = None) -> bool:
        if current is not None and not torch.isfinite(current):
            return False
        return super().check_monitor_top_k(trainer, current)
