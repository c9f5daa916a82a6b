"""A module and data on which Lightning itself is observed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from lightning import LightningModule, Trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader


class Line(LightningModule):
    """One weight, trained and scored on single numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1)

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        return self.layer(batch).square().mean()

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        self.log("mean_iu", self.layer(batch).mean(), prog_bar=True)

    test_step = validation_step

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def train_dataloader(self) -> DataLoader[Tensor]:
        return DataLoader(torch.arange(4.0)[:, None])  # type: ignore[arg-type]

    val_dataloader = test_dataloader = train_dataloader


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def trainer() -> Callable[..., Trainer]:
    """Creates a trainer with the arguments of a run: steps are counted, epochs are not."""

    def create(**arguments: Any) -> Trainer:
        common: dict[str, Any] = {
            "accelerator": "cpu", "devices": 1, "max_steps": 4, "val_check_interval": 2,
            "check_val_every_n_epoch": None, "num_sanity_val_steps": 0, "logger": False,
            "enable_checkpointing": False, "enable_model_summary": False,
            "enable_progress_bar": False,
        }  # fmt: skip
        return Trainer(**common | arguments)

    return create
