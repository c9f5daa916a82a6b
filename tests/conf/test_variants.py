"""The variants that the papers compare: the override of each, its network, and three steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from fcn_lightning import formats
from fcn_lightning.models import FCN
from fcn_lightning.runs.evaluate import evaluate
from fcn_lightning.runs.record import Record
from fcn_lightning.runs.run import Run, compose_run
from fcn_lightning.runs.train import train

Tiny = Callable[..., list[str]]

VARIANTS = {
    "maximum": ["head=fcn8s", "head.fuse=max"],
    "random scores": ["head=fcn32s", "head.score_init=random"],
    "pool5": ["head=pool5"],
    "pool4": ["head=pool4"],
    "pool3": ["head=pool3"],
    "pool5 at stride 1": ["head=fcn32s", "backbone.pool5_stride=1"],
    "vgg19": ["head=fcn32s", "backbone=vgg19", "backbone.padding=same"],
    "loss sampling": ["head=fcn32s", "recipe.loss_sampling=0.5", "recipe.batch=4"],
    "balanced": ["head=fcn32s", "recipe.class_weights=balanced"],
    "foreground only": ["head=fcn32s", "mask.train=background", "mask.test=background"],
    "shape": ["head=fcn32s", "mask.train=both", "mask.test=both"],
    "learned": ["head=fcn16s", "head.upscore=learned"],
    "augmented": ["head=fcn32s", "augment.mirror=true", "augment.jitter=32"],
}

STRIDES = {"maximum": 8, "learned": 16, "pool4": 16, "pool3": 8, "pool5 at stride 1": 16}
"""The stride of the prediction; 32 for the others."""


def trained(tiny: Tiny, *overrides: str) -> tuple[Run, Record]:
    own = ["init_from=null", "recipe.max_steps=3", "recipe.val_every=3", "callbacks=none"]
    run = compose_run(tiny("experiment=shapes", *own, *overrides))
    return run, train(run)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_trains(variant: str, tiny: Tiny) -> None:
    run, record = trained(tiny, *VARIANTS[variant])
    assert (record.step, record.num_images) == (3, 5)
    network = formats.read_checkpoint(run.folder).network()
    assert isinstance(network, FCN)
    image = torch.zeros(1, 3, 256, 256, dtype=torch.uint8)
    fused = network.fused(image).shape[-1]
    stride = STRIDES.get(variant, 32)
    assert 256 // stride - 1 <= fused <= 256 // stride
    assert network(image).shape[2:] == (256, 256)
    assert any(p.abs().max() > 0 for n, p in network.named_parameters() if "score" in n)


def test_a_masked_run_is_evaluated_with_its_mask(tiny: Tiny, tmp_path: Path) -> None:
    run, record = trained(tiny, "head=fcn32s", "recipe.lr=0.1", "mask.test=both")
    assert evaluate(run.folder, None, None)["scores"] == pytest.approx(record.scores)
    checkpoint = formats.read_checkpoint(run.folder)
    unmasked = {key: value for key, value in checkpoint.card.items() if key != "mask"}
    assert len(unmasked) == len(checkpoint.card) - 1
    replace(checkpoint, card=unmasked, path=tmp_path / "unmasked.ckpt").save()
    scores = evaluate(tmp_path / "unmasked.ckpt", None, None)["scores"]
    assert scores["loss"] != pytest.approx(record.scores["loss"], rel=1e-6)


def test_class_weights_are_in_the_log_and_change_training_alone(tiny: Tiny) -> None:
    plain, weighted = (
        trained(tiny, "head=fcn32s", "recipe.max_steps=1", "recipe.val_every=1", *own)
        for own in ([], ["recipe.class_weights=[9,1,1,1,1,1,1]"])
    )
    weights: list[dict[str, Any]] = [
        dict(formats.read_checkpoint(run.folder).weights) for run, _ in (plain, weighted)
    ]
    assert any(not torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert "class weights: background 9, " in (weighted[0].folder / "train.log").read_text()


def test_the_defaults_are_the_papers_main_networks() -> None:
    run = compose_run(["experiment=shapes", "head=fcn8s", "init_from=null"])
    assert run.variant == "fcn8s-init_from-null"
    head = run.plain_config["head"]
    assert (head["fuse"], head["score_init"], head["last"]) == ("sum", "zero", None)
    assert run.plain_config["backbone"]["pool5_stride"] == 2
    assert (run.recipe.loss_sampling, run.recipe.class_weights) == (None, None)
    assert (run.mask.train, run.mask.test) == (None, None)
