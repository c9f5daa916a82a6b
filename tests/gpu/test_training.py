"""Training steps on a GPU: that they do not wait for it, their memory, half precision."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from lightning import Callback, LightningModule, Trainer
from torch.utils.data import DataLoader

from fcn_lightning.data import Sample
from fcn_lightning.datamodule import by_size
from fcn_lightning.inference import Predictor
from fcn_lightning.labels import VOC, VOID
from fcn_lightning.models import FCN, Network, build
from fcn_lightning.optim import Recipe
from fcn_lightning.runs import train as runs_train
from fcn_lightning.runs.run import Run, compose_run
from fcn_lightning.task import SegmentationTask

HEAVY = {"loss": "sum", "optimizer": "sgd", "lr": 1e-10, "momentum": 0.99, "weight_decay": 5e-4}
"""The reference's recipe but for its length: batch 1."""

GB = 1e9


def sample(h: int, w: int) -> Sample:
    """An image of noise, with a label that has some void."""
    label = torch.randint(len(VOC), (h, w), dtype=torch.uint8)
    label[: h // 8] = VOID
    image = torch.randint(256, (3, h, w), dtype=torch.uint8)
    return {"image": image, "label": label, "name": "noise"}


def fit(
    network: Network, one: Sample, max_steps: int, *callbacks: Callback, **trainer: Any
) -> Trainer:
    """Trains on one image again and again."""
    recipe = Recipe(**HEAVY, batch=1, max_steps=max_steps, val_every=max_steps)
    own = {"accelerator": "gpu", "devices": 1, "logger": False, "enable_checkpointing": False}
    own |= {"enable_progress_bar": False, "enable_model_summary": False}
    fitter = Trainer(max_steps=max_steps, callbacks=list(callbacks), **own | trainer)
    loader = DataLoader([one] * max_steps, batch_size=1, collate_fn=by_size, pin_memory=True)
    fitter.fit(SegmentationTask(network, VOC, recipe), loader)
    return fitter


class Watch(Callback):
    """Makes whatever waits for the GPU an error, between the beginnings of two passes.

    Left out are the first step, steps that log, which read the losses, and the moment before the
    last step, when the run is saved.
    """

    def __init__(self) -> None:
        self.passes = 0

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        step = trainer.global_step
        watched = step > 0 and (step + 1) % trainer.log_every_n_steps != 0
        torch.cuda.set_sync_debug_mode("error" if watched else "default")
        self.passes += watched

    def on_train_batch_end(self, trainer: Trainer, *args: Any) -> None:
        if trainer.global_step == trainer.max_steps - 1:
            torch.cuda.set_sync_debug_mode("default")

    def on_exception(self, *args: Any) -> None:
        torch.cuda.set_sync_debug_mode("default")  # else the end of the run hides its error


@pytest.fixture
def sync_debug_mode() -> Iterator[None]:
    yield
    torch.cuda.set_sync_debug_mode("default")


@pytest.mark.usefixtures("sync_debug_mode")
def test_a_step_does_not_wait_for_the_gpu(
    tiny: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a whole run, with its own callbacks, loaders, clipping and accumulation."""
    torch.cuda.set_sync_debug_mode("error")
    with pytest.raises(RuntimeError, match="synchronizing"):
        torch.ones((), device="cuda").item()
    torch.cuda.set_sync_debug_mode("default")

    watch, own = Watch(), runs_train.run_callbacks

    def with_watch(run: Run) -> list[Callback]:
        return [*own(run), watch]

    monkeypatch.setattr(runs_train, "run_callbacks", with_watch)
    length = ["recipe.max_steps=60", "recipe.val_every=60", "recipe.per_pass=1"]
    overrides = [o for o in tiny("experiment=shapes", *length) if o != "trainer=cpu"]
    runs_train.train(compose_run([*overrides, "trainer=gpu"]))
    assert watch.passes == 2 * (60 - 60 // 3 - 1), "two passes of each update; every third logs"


class Peaks(Callback):
    """The most memory of each update, in bytes."""

    def __init__(self) -> None:
        self.bytes: list[int] = []

    def on_train_batch_start(self, *args: Any) -> None:
        torch.cuda.reset_peak_memory_stats()

    def on_train_batch_end(self, *args: Any) -> None:
        self.bytes.append(torch.cuda.max_memory_allocated())


def fcn8s() -> FCN:
    """The reference's FCN-8s, in full width."""
    head = {"skips": ("pool4", "pool3")}
    network = build(backbone={"name": "vgg16"}, head=head, num_classes=len(VOC))
    assert isinstance(network, FCN)
    return network


def test_memory_of_training() -> None:
    """FCN-8s, batch 1, 500 x 500, float32: at most 4.8 GB, and no more at step 10 than at step 3.

    By hand, in MB (4 bytes a value; an image is 698 x 698 behind conv1_1, since it is padded):

    - weights, gradients and momentum, 134.4 million values each: 3 x 537 = 1612;
    - maps kept for the backward pass, ReLUs in place, so one for each layer: conv1 2 x 125, conv2
      2 x 62, conv3 3 x 31, conv4 3 x 16, conv5 3 x 4; pools with their int64 indices 94, 47, 24,
      12, 3; fc6 and fc7 with dropout 25; the log-softmax 21 and what belongs to it 5: 759;

    together 2.4 GB. The gradients of maps come where maps were, and SGD's own copy of the gradients
    when there are no maps any more. As much again is for cuDNN's workspaces, which it chooses.
    64 MB are for how the allocator happens to cut its blocks; a map of scores kept at each step
    (21 classes, 500 x 500) would be 7 x 21 = 147.
    """
    before, peaks = torch.cuda.memory_allocated(), Peaks()
    fit(fcn8s(), sample(500, 500), 10, peaks)
    assert len(peaks.bytes) == 10
    assert max(peaks.bytes) - before < 4.8 * GB
    assert peaks.bytes[9] - peaks.bytes[2] < 0.064 * GB


def test_memory_of_inference() -> None:
    """The same network and size: at most 1.6 GB.

    By hand: weights 537 MB; the largest maps are conv1_2's and what it reads, 2 x 125; together
    0.8 GB. Later maps are smaller than that, also with the pools that wait for the head (60 MB).
    As much again is for cuDNN's workspaces.
    """
    before, image = torch.cuda.memory_allocated(), sample(500, 500)["image"]
    predictor = Predictor(fcn8s(), "cuda")
    torch.cuda.reset_peak_memory_stats()
    predicted = predictor.predict(image.permute(1, 2, 0).numpy())
    assert np.shape(predicted) == (500, 500)
    assert torch.cuda.max_memory_allocated() - before < 1.6 * GB


def test_half_precision_has_float32s_loss(narrow: Callable[..., Network]) -> None:
    """A step in bf16-mixed: its loss to 2 %, and weights that stay float32 and finite."""
    network, one = narrow(("pool4", "pool3"), dropout=0.0).train(), sample(64, 80)
    losses = {}
    for precision in ("32-true", "bf16-mixed"):
        trainer = fit(deepcopy(network), one, 1, precision=precision, log_every_n_steps=1)
        losses[precision] = float(trainer.callback_metrics["train/loss"])
        for name, parameter in trainer.lightning_module.named_parameters():
            assert parameter.dtype == torch.float32, name
            assert parameter.isfinite().all(), name
    assert losses["bf16-mixed"] == pytest.approx(losses["32-true"], rel=0.02)
    assert losses["bf16-mixed"] != losses["32-true"], "it was in half precision"
