"""Validation steps: their results stay where they are, and groups of images are scored apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from fcn_lightning.callbacks.scored import scored
from fcn_lightning.datamodule import by_size
from fcn_lightning.labels import VOC
from fcn_lightning.models import Network
from fcn_lightning.optim import Recipe
from fcn_lightning.task import SegmentationTask

READING = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "is_nonzero")
"""Operations whose result decides what Python does, or how large a tensor is."""

RECIPE = Recipe(
    loss="sum", optimizer="sgd", lr=1e-10, momentum=0.99, weight_decay=0, batch=1,
    max_steps=1, val_every=1,
)  # fmt: skip


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
    task = SegmentationTask(narrow(), VOC, RECIPE).eval()
    image = torch.randint(256, (1, 3, 40, 50), dtype=torch.uint8)
    label = torch.randint(21, (1, 40, 50), dtype=torch.uint8)
    with torch.no_grad(), Noted() as noted:
        task.validation_step([{"image": image, "label": label, "name": ["a"]}], 0)
    assert noted.found == []
    assert task.scores[""].confusion.sum() == 40 * 50
    with Noted() as noted:
        assert torch.ones(()).item() == 1
    assert noted.found == ["aten._local_scalar_dense.default"]


def test_groups_are_scored_apart_and_taken_apart_in_the_order_of_the_split(
    narrow: Callable[..., Network],
) -> None:
    sizes = [(40, 50), (33, 61), (40, 50)]
    task, one_by_one = (SegmentationTask(narrow(), VOC, RECIPE).eval() for _ in range(2))
    one_by_one.load_state_dict(task.state_dict())
    samples = [
        {
            "image": torch.randint(256, (3, *size), dtype=torch.uint8),
            "label": torch.randint(21, size, dtype=torch.uint8),
            "name": name,
        }
        for size, name in zip(sizes, "abc")
    ]
    batch = by_size(samples)
    with torch.no_grad():
        outputs = task.validation_step(batch, 0)
        alone = [one_by_one.validation_step(by_size([sample]), 0) for sample in samples]
    assert [(g["name"], g["place"]) for g in batch] == [(["a", "c"], [0, 2]), (["b"], [1])]
    images = scored(batch, outputs)
    assert [image.name for image in images] == ["a", "b", "c"]
    for image, sample, own in zip(images, samples, alone):
        assert torch.equal(image.images[""], sample["image"])
        assert torch.equal(image.labels[""], sample["label"])
        assert torch.equal(image.predictions[""], own["predictions"][0][""][0])
    assert torch.equal(task.scores[""].confusion, one_by_one.scores[""].confusion)
    assert float(task.loss.compute()) == pytest.approx(float(one_by_one.loss.compute()), rel=1e-6)
