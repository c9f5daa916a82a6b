"""The floating-point operations of `make table2` for one seed, computed from its configs.

    python benchmarks/table2_operations.py [OVERRIDE ...]

The forward and backward pass of one training step and the scoring of one image of mean size are
counted, a multiplication and an addition as two operations, and multiplied by the number of steps
and images. Only convolutions and matrix products count. Overrides apply to every stage. The data
set is drawn under `paths.data` if it is missing.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from fcn_lightning.data import SegmentationDataset
from fcn_lightning.losses import softmax_loss
from fcn_lightning.models import build
from fcn_lightning.models.backbones.cpu import ordinary
from fcn_lightning.optim import parameter_groups
from fcn_lightning.runs.compose import compose

STAGES = (
    ("shapes_classifier", "classifier"),
    ("shapes", "fcn32s_fixed"),
    ("shapes", "fcn32s"),
    ("shapes", "fcn16s"),
    ("shapes", "fcn8s"),
)


def operations(experiment: str, head: str, overrides: Sequence[str]) -> tuple[float, float]:
    """Operations of a run's training and of its scoring.

    A run scores the validation images at each validation and once more at the end.
    """
    config = compose([f"experiment={experiment}", f"head={head}", *overrides])
    config.recipe.fixed = [*config.recipe.fixed, *config.stage.fixed]
    recipe = instantiate(config.recipe, _convert_="all")
    splits = instantiate(config.data, _convert_="all")
    network = _network(config, len(splits.labels))
    parameter_groups(network, recipe)
    crop = config.augment.crop
    size = (crop, crop) if crop else _mean_size(splits.train)
    label = (1, 1) if head == "classifier" else size
    train = recipe.max_steps * _of_step(network, recipe.batch, size, label)
    score = len(splits.val) * _of_scoring(network, _mean_size(splits.val))
    num_validations = -(-recipe.max_steps // recipe.val_every)
    return train, score * (num_validations + 1)


def _network(config: DictConfig, num_classes: int) -> nn.Module:
    parts: Any = OmegaConf.to_container(config)
    return build(
        backbone=parts["backbone"],
        head=parts["head"],
        num_classes=num_classes,
        normalize=parts["normalize"],
    )


def _mean_size(dataset: SegmentationDataset) -> tuple[int, int]:
    sizes = torch.tensor([dataset[i]["image"].shape[1:] for i in range(min(len(dataset), 100))])
    h, w = sizes.double().mean(0).round().int().tolist()
    return h, w


def _of_step(
    network: nn.Module, batch: int, size: tuple[int, int], label_size: tuple[int, int]
) -> int:
    label = torch.zeros((batch, *label_size), dtype=torch.uint8)
    with FlopCounterMode(display=False) as counter:
        loss = softmax_loss(network(_images(batch, size)), label, "mean").mean()
        loss.backward()  # type: ignore[no-untyped-call]
    return counter.get_total_flops()


def _of_scoring(network: nn.Module, size: tuple[int, int]) -> int:
    with ordinary(), torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(_images(1, size))
    return counter.get_total_flops()


def _images(num: int, size: tuple[int, int]) -> Tensor:
    return torch.zeros((num, 3, *size), dtype=torch.uint8)


def main() -> None:
    """Print a line for each stage and one for their sum, in TFLOP."""
    print(f"{'TFLOP':12} {'training':>9} {'scoring':>8} {'both':>7}")
    total = [0.0, 0.0]
    for experiment, head in STAGES:
        counts = operations(experiment, head, sys.argv[1:])
        total = [before + count for before, count in zip(total, counts)]
        print(_line(head, *counts))
    print(_line("all", *total))


def _line(name: str, train: float, score: float) -> str:
    return f"{name:12} {train / 1e12:9.3f} {score / 1e12:8.3f} {(train + score) / 1e12:7.3f}"


if __name__ == "__main__":
    main()
