"""Every experiment of the reference: its network, its solver, and a step on the right tensors."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from lightning import Trainer
from omegaconf import DictConfig
from torch.utils.data import DataLoader

from fcn_lightning.labels import VOC
from fcn_lightning.models import build
from fcn_lightning.optim import Recipe
from fcn_lightning.runs.compose import compose, plain
from fcn_lightning.runs.trainer import configure_torch
from fcn_lightning.task import SegmentationTask

SOLVERS = {
    ("voc", "fcn32s"): (1e-10, 0.99, 1, 100_000, "sum"),
    ("voc", "fcn16s"): (1e-12, 0.99, 1, 100_000, "sum"),
    ("voc", "fcn8s"): (1e-14, 0.99, 1, 100_000, "sum"),
    ("voc", "fcn32s_low_rate"): (1e-12, 0.99, 1, 100_000, "sum"),
    ("voc", "fcn8s_at_once"): (1e-10, 0.99, 1, 300_000, "sum"),
    ("voc_alexnet", "fcn32s"): (1e-4, 0.9, 20, 100_000, "mean"),
    ("pascal_context", "fcn32s"): (1e-10, 0.99, 1, 400_000, "sum"),
    ("pascal_context", "fcn16s"): (1e-12, 0.99, 1, 400_000, "sum"),
    ("pascal_context", "fcn8s"): (1e-14, 0.99, 1, 400_000, "sum"),
    ("siftflow", "fcn32s"): (1e-10, 0.99, 1, 100_000, "sum"),
    ("siftflow", "fcn16s"): (1e-12, 0.99, 1, 100_000, "sum"),
    ("siftflow", "fcn8s"): (1e-12, 0.99, 1, 100_000, "sum"),
    ("nyud_color", "fcn32s"): (1e-10, 0.99, 1, 100_000, "sum"),
    ("nyud_hha", "fcn32s"): (1e-10, 0.99, 1, 100_000, "sum"),
    ("nyud_color_d", "fcn32s"): (1e-10, 0.99, 1, 100_000, "sum"),
    ("nyud_color_hha", "fcn32s"): (1e-12, 0.99, 1, 100_000, "sum"),
}
"""Rate, momentum, images of an update, updates, loss: solver.prototxt and what solve.py runs."""

OTHER_RECIPES = {
    ("recipe=cvpr2015", "head=fcn32s"): (1e-4, 20, 20_000, "learned"),
    ("recipe=cvpr2015", "head=fcn8s"): (1e-8, 20, 20_000, "learned"),
    ("recipe=cvpr2015", "backbone=caffenet"): (1e-3, 20, 20_000, "learned"),
    ("experiment=voc_googlenet",): (5e-5, 20, 20_000, "learned"),
    ("recipe=accum", "head=fcn16s"): (2e-10, 20, 5_000, "fixed"),
    ("recipe=accum", "head=fcn8s_at_once"): (2e-8, 20, 15_000, "fixed"),
    ("recipe=accum", "experiment=pascal_context"): (2e-8, 20, 20_000, "fixed"),
    ("recipe=accum", "experiment=nyud_color_hha"): (2e-10, 20, 5_000, "fixed"),
    ("recipe=adamw", "head=fcn8s"): (1e-4, 8, 2_000, "fixed"),
    ("head=fcn8s_at_once", "recipe.max_steps=7"): (1e-10, 1, 7, "fixed"),
}
"""Rate, images of an update, updates, upscore layers between the streams, by overrides.

CVPR 2015, 4.2 and 4.3: 1e-3 for AlexNet, 1e-4 for VGG-16, 5e-5 for GoogLeNet; /100 with each skip.
"""

CLASSES = {
    "voc": 21,
    "voc_alexnet": 21,
    "voc_googlenet": 21,
    "pascal_context": 60,
    "siftflow": {"sem": 33, "geo": 3},
    "nyud_color": 40,
    "nyud_hha": 40,
    "nyud_color_d": 40,
    "nyud_color_hha": 40,
}

CHANNELS = {"nyud_color_d": {"color": 3, "depth": 1}, "nyud_color_hha": {"color": 3, "hha": 3}}

NETWORKS = [*SOLVERS, ("voc_googlenet", "fcn32s"), ("nyud_color_hha", "fcn16s")]

THIN = ["backbone.widths=[2,2,2,2,2]", "backbone.fc_widths=[4,4]"]


def composed(experiment: str, head: str) -> DictConfig:
    thin = THIN if experiment != "voc_googlenet" else []
    return compose([f"experiment={experiment}", f"head={head}", *thin])


def drawn(classes: int | dict[str, int], size: tuple[int, int]) -> Any:
    """Labels of one image, a quarter of it void; of each head, where there are several."""
    if isinstance(classes, dict):
        return {head: drawn(number, size) for head, number in classes.items()}
    label = torch.randint(0, classes, (1, *size), dtype=torch.uint8)
    label[:, : size[0] // 2, : size[1] // 2] = 255
    return label


@pytest.mark.parametrize(("experiment", "head"), SOLVERS)
def test_solver_is_the_references(experiment: str, head: str) -> None:
    recipe: Recipe = instantiate(composed(experiment, head).recipe, _convert_="all")
    lr, momentum, batch, updates, loss = SOLVERS[experiment, head]
    assert recipe.lr * recipe.lr_factor == pytest.approx(lr, rel=1e-12)
    assert (recipe.momentum, recipe.batch, recipe.max_steps) == (momentum, batch, updates)
    assert (recipe.loss, recipe.optimizer, recipe.weight_decay) == (loss, "sgd", 5e-4)
    assert (recipe.schedule, recipe.warmup, recipe.clip) == ("fixed", 0, None)
    assert recipe.order == "with_replacement"
    assert recipe.plain_biases == (("conv", "fc") if experiment == "voc_alexnet" else ())
    assert composed(experiment, head).seed == 1337


@pytest.mark.parametrize("overrides", OTHER_RECIPES)
def test_recipe_alone_sets_what_is_its_own(overrides: tuple[str, ...]) -> None:
    lr, batch, updates, upscore = OTHER_RECIPES[overrides]
    config = compose(overrides)
    recipe: Recipe = instantiate(config.recipe, _convert_="all")
    assert recipe.lr * recipe.lr_factor == pytest.approx(lr, rel=1e-12)
    assert (recipe.batch, recipe.max_steps, config.head.upscore) == (batch, updates, upscore)


@pytest.mark.filterwarnings("ignore:You defined a `validation_step`", "ignore:.*many workers")
@pytest.mark.parametrize(("experiment", "head"), NETWORKS)
def test_a_step_on_tensors_of_the_right_inputs(experiment: str, head: str) -> None:
    """Scoring layers start at zero: the first loss is ln(classes) for each valid pixel."""
    configure_torch()
    config, size = composed(experiment, head), (40, 60)
    classes = CLASSES[experiment]
    net = build(
        backbone=plain(config.backbone),
        head=plain(config.head),
        num_classes=classes,
        normalize=plain(config.normalize),
        fusion=config.fusion,
    )
    channels = CHANNELS.get(experiment, {"": 3})
    images = {
        name: torch.randint(1, 256, (1, number, *size), dtype=torch.uint8)
        for name, number in channels.items()
    }
    recipe = instantiate({**config.recipe, "max_steps": 1, "per_pass": None}, _convert_="all")
    task = SegmentationTask(net, VOC, recipe)
    batch = {"image": images.get("", images), "label": drawn(classes, size), "name": ["a"]}
    trainer = Trainer(
        max_steps=1, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, log_every_n_steps=1,
    )  # fmt: skip
    trainer.fit(task, DataLoader([[batch]], batch_size=None))

    per_pixel = math.log(33) + math.log(3) if experiment == "siftflow" else math.log(classes)
    valid = 1 if recipe.loss == "mean" else 40 * 60 - 20 * 30
    loss = float(trainer.callback_metrics["train/loss"])
    assert loss == pytest.approx(valid * per_pixel, rel=1e-4)
    moved = {
        name.rpartition(".head.")[2] or name
        for name, parameter in net.named_parameters()
        if "score_" in name and name.endswith("bias") and parameter.abs().max() > 0
    }
    streams = {"fcn32s": 1, "fcn32s_low_rate": 1, "fcn16s": 2}.get(head, 3)
    assert len(moved) == streams * {"siftflow": 2, "nyud_color_hha": 2}.get(experiment, 1)
