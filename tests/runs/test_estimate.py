import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from fcn_lightning.data import shapes
from fcn_lightning.runs.compose import compose
from fcn_lightning.runs.estimate import Estimate, reached
from fcn_lightning.runs.run import Run, read_run
from fcn_lightning.runs.timing import (
    UNKNOWN,
    Images,
    drawing_seconds,
    forward_seconds,
    images_of,
    seconds,
    step_seconds,
)

Tiny = Callable[..., list[str]]


class Clock:
    """A clock that actions turn on."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def action(self, *durations: float) -> Callable[[], None]:
        left = list(durations)

        def action() -> None:
            self.now += left.pop(0)

        return action


def run_of(*overrides: str) -> Run:
    config = compose(overrides)
    return read_run(config, config.hydra)


def test_the_seconds_of_a_run_are_those_of_its_parts():
    # 10 s, 100 steps of 0.5 s, 2 validations, the last validation and the test of 6 s
    estimate = Estimate(10.0, 0.5, 6.0, max_steps=100, val_every=40)
    assert [estimate.until(step) for step in (0, 39, 40, 100)] == [10, 29.5, 36, 72]
    assert estimate.seconds == 84
    # The second validation is the last one.
    assert Estimate(10.0, 0.5, 6.0, max_steps=80, val_every=40).seconds == 10 + 40 + 12 + 6
    assert Estimate(10.0, 0.5, 6.0, max_steps=80, val_every=4000).seconds == 10 + 40 + 6 + 6


def test_a_run_that_is_resumed_takes_the_steps_that_are_left():
    estimate = Estimate(10.0, 0.5, 6.0, max_steps=100, val_every=40, first_step=50)
    assert estimate.until(100) == 10 + 25 + 6
    assert estimate.seconds == 10 + 25 + 6 + 6 + 6


def test_an_action_is_timed_after_a_first_call():
    clock = Clock()
    assert seconds(clock.action(9.0, 1.0, 3.0), clock) == 2.0


def test_a_slow_action_is_called_once():
    clock = Clock()
    assert seconds(clock.action(10.5), clock) == 10.5


def test_a_forward_pass_is_the_mean_of_its_trials(narrow):
    clock, network = Clock(), narrow().train()
    durations, sizes = [5.0, 1.0, 2.0, 6.0], []

    def count(_, images, __):
        clock.now += durations.pop(0)
        sizes.append((images[0].shape, network.training, torch.is_grad_enabled()))

    network.register_forward_hook(count)
    assert forward_seconds(network, (40, 30), 3, "cpu", clock) == 3
    assert sizes == [((1, 3, 40, 30), False, False)] * 4
    assert network.training


def test_a_forward_pass_of_several_modalities(narrow):
    normalize = {"color": "nyud_color", "hha": "nyud_hha"}
    network = narrow(num_classes=40, normalize=normalize, fusion="late")
    assert 0 < forward_seconds(network, (32, 24), num_trials=1) < 10


def test_a_step_and_an_image_are_timed_on_the_network_of_the_run(tiny: Tiny):
    run = run_of(*tiny("experiment=shapes", "augment.crop=48"))
    step, image = step_seconds(run, Images((40, 56), 5, 7))
    assert 0 < image < 10
    assert 0 < step < 10
    classifier = run_of(*tiny("experiment=shapes_classifier", classifier=None))
    assert min(step_seconds(classifier, Images((96, 96), 6, 6))) > 0


def test_a_step_has_all_passes_of_a_batch(tiny: Tiny):
    clock = Clock()

    def ticking() -> float:
        clock.now += 1.0
        return clock.now

    one = run_of(*tiny("experiment=shapes", "recipe.batch=4", "augment.crop=48"))
    four = run_of(
        *tiny("experiment=shapes", "recipe.batch=4", "recipe.per_pass=1", "augment.crop=48")
    )
    images = Images((40, 56), 5, 7)
    assert step_seconds(four, images, ticking)[0] == 4 * step_seconds(one, images, ticking)[0]


def test_images_that_are_not_drawn_yet_are_known(tiny: Tiny, tmp_path: Path):
    run = run_of(*tiny("experiment=shapes"), f"paths.data={tmp_path}/none")
    images = images_of(run)
    assert (images.num_scored, images.num_classes) == (shapes.NUM_VAL, 7)
    assert all(32 <= side <= 200 for side in images.size)
    assert not (tmp_path / "none").exists()
    single = run_of(
        *tiny("experiment=shapes_classifier", classifier=None), f"paths.data={tmp_path}/none"
    )
    assert images_of(single).num_classes == 6
    assert images_of(single).num_scored == shapes.NUM_SINGLE_VAL


def test_images_that_are_there_are_looked_at(tiny: Tiny):
    run = run_of(*tiny("experiment=shapes"))
    images = images_of(run)
    assert (images.num_scored, images.num_classes) == (5, 7)
    assert drawing_seconds(run) == 0


def test_images_that_cannot_be_read_are_taken_for_photographs(tiny: Tiny, tmp_path: Path):
    run = run_of(*tiny("experiment=voc"), f"data.root={tmp_path}/none", "data.download=true")
    assert images_of(run) == UNKNOWN
    assert not (tmp_path / "none").exists()
    assert drawing_seconds(run) == 0


def test_drawing_is_estimated_from_a_few_images(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    run, clock = run_of(*tiny("experiment=shapes"), f"paths.data={tmp_path}/none"), Clock()
    image, label = shapes.scene(np.random.default_rng(0))

    def scene(rng: object) -> tuple[object, object]:
        clock.now += 0.02
        return image, label

    def single(rng: object, shape: int) -> object:
        clock.now += 0.01
        return image

    monkeypatch.setattr(shapes, "scene", scene)
    monkeypatch.setattr(shapes, "single", single)
    counts = {"TRAIN": 80, "VAL": 20, "SINGLE_TRAIN": 250, "SINGLE_VAL": 50}
    for name, count in counts.items():
        monkeypatch.setattr(shapes, f"NUM_{name}", count)
    # 100 scenes of 0.02 s, 300 shapes of 0.01 s, and a quarter more for their files
    assert drawing_seconds(run, clock=clock) == pytest.approx(1.25 * (2 + 3))


def test_the_step_that_a_run_has_reached_is_its_last_logged_one(tmp_path: Path):
    assert reached(tmp_path) is None
    path = tmp_path / "metrics.csv"
    path.write_text("step,train/loss\n")
    assert reached(tmp_path) is None
    path.write_text("step,train/loss,val/mean_iu\n9,0.5,\n19,0.4,0.2\n")
    os.utime(path, (1000, 1000))
    assert reached(tmp_path) == (19, 1000)
