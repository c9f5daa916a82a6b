"""A validation step leaves its results where they are, so that a GPU is not waited for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from fcn_lightning.labels import VOC
from fcn_lightning.models import Network
from fcn_lightning.optim import Recipe
from fcn_lightning.task import SegmentationTask

READING = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "is_nonzero")
"""Operations whose result decides what Python does, or how large a tensor is."""


class Noted(TorchDispatchMode):
    """Notes the operations that a GPU's program would wait for."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(
        self, operation: Any, types: Any, arguments: Any = (), others: Any = None
    ) -> Any:
        if any(name in str(operation) for name in READING):
            self.found.append(str(operation))
        return operation(*arguments, **(others or {}))


def test_a_validation_step_reads_no_value(narrow: Callable[..., Network]) -> None:
    recipe = Recipe(
        loss="sum", optimizer="sgd", lr=1e-10, momentum=0.99, weight_decay=0, batch=1,
        max_steps=1, val_every=1,
    )  # fmt: skip
    task = SegmentationTask(narrow(), VOC, recipe).eval()
    image = torch.randint(256, (1, 3, 40, 50), dtype=torch.uint8)
    label = torch.randint(21, (1, 40, 50), dtype=torch.uint8)
    with torch.no_grad(), Noted() as noted:
        task.validation_step([{"image": image, "label": label, "name": ["a"]}], 0)
    assert noted.found == []
    assert task.scores[""].confusion.sum() == 40 * 50
    with Noted() as noted:
        assert torch.ones(()).item() == 1
    assert noted.found == ["aten._local_scalar_dense.default"]
