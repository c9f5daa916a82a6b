"""Runs by the functions that the commands call: folders, stages, scores, going on."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fcn_lightning import formats
from fcn_lightning.formats.checkpoint import KEY
from fcn_lightning.optim import parameter_groups
from fcn_lightning.runs.comparison import compare_runs
from fcn_lightning.runs.compose import compose, conf_dir
from fcn_lightning.runs.evaluate import evaluate
from fcn_lightning.runs.run import compose_run
from fcn_lightning.runs.train import train
from fcn_lightning.runs.trainer import configure_torch
from fcn_lightning.task import SegmentationTask

Tiny = Callable[..., list[str]]


def test_a_run_is_a_folder(tiny: Tiny) -> None:
    run = compose_run(tiny("experiment=shapes", "head=fcn16s", "init_from=null", "seed=3"))
    record = train(run)

    parts = run.folder.parts[-3:]
    assert parts[0] == "shapes"
    assert parts[1].startswith("fcn16s-fc_widths-16_16-widths-")
    assert parts[2] == "seed3"
    there = {path.name for path in run.folder.iterdir()}
    assert {
        "checkpoints", "config.yaml", "metrics.csv", "per_image.npz", "pictures", "scores.json",
        "train.log",
    } <= there  # fmt: skip
    assert {p.name for p in (run.folder / "checkpoints").iterdir()} == {"last.ckpt", "best.ckpt"}
    written = json.loads((run.folder / "scores.json").read_text())
    assert written == record.model_dump()
    assert written["step"] == 2
    assert written["num_images"] == 5
    assert written["split"] == "voc/val"
    assert written["lists"]["num_train"] == 6
    assert written["lists"]["num_left_out"] == 2
    assert written["best_val"] == {"step": 2, "mean_iu": written["scores"]["mean_iu"]}
    assert "leaving out 2 of voc/val" in (run.folder / "train.log").read_text()


def test_evaluate_gives_the_runs_own_digits(tiny: Tiny) -> None:
    run = compose_run(tiny("experiment=shapes", "head=fcn32s"))
    record = train(run)
    again = evaluate(run.folder, data=None, root=None)
    assert again["scores"] == record.scores
    assert again["class_iu"] == record.class_iu


@pytest.fixture
def arithmetic() -> Iterator[None]:
    """Restores what float32 means on a GPU."""
    yield
    configure_torch()


def test_evaluate_computes_as_the_run_did(tiny: Tiny, arithmetic: None) -> None:
    run = compose_run(tiny("experiment=shapes", "head=fcn32s"))
    train(run)
    assert not torch.backends.cudnn.allow_tf32
    content = torch.load(run.folder / "checkpoints" / "last.ckpt", weights_only=True)
    assert content[KEY]["matmul_precision"] == "highest"
    content[KEY]["matmul_precision"] = "high"
    torch.save(content, "of_a_gpu.ckpt")
    evaluate(Path("of_a_gpu.ckpt"), data=None, root=None)
    assert torch.backends.cudnn.allow_tf32
    assert torch.get_float32_matmul_precision() == "high"


def test_scores_are_those_of_the_saved_predictions(tiny: Tiny) -> None:
    run = compose_run(
        tiny("experiment=shapes", "head=fcn32s", "recipe.max_steps=8", "recipe.lr=0.01")
    )
    record = train(run)
    names = np.load(run.folder / "per_image.npz")["names"]
    hist = np.zeros((7, 7))
    for name in names:
        label, prediction = (
            np.array(Image.open(run.folder / "pictures" / f"{name}.{kind}.png"))
            for kind in ("label", "prediction")
        )
        for true, predicted in zip(label[label != 255], prediction[label != 255]):
            hist[true, predicted] += 1
    with np.errstate(invalid="ignore"):
        iu = np.diag(hist) / (hist.sum(0) + hist.sum(1) - np.diag(hist))
    assert record.scores["mean_iu"] == pytest.approx(np.nanmean(iu), abs=1e-12)
    assert record.scores["pixel_acc"] == pytest.approx(np.trace(hist) / hist.sum(), abs=1e-12)


def test_the_stages_start_from_one_another(tiny: Tiny) -> None:
    classifier = compose_run(tiny("experiment=shapes_classifier", classifier=None))
    train(classifier)
    start = str(classifier.folder)
    first = compose_run(tiny("experiment=shapes", "head=fcn32s", classifier=start))
    second = compose_run(tiny("experiment=shapes", "head=fcn16s", classifier=start), [first.folder])
    assert first.start == {"": classifier.folder}
    assert second.start == {"": first.folder}

    train(first)
    train(second)
    log = (first.folder / "train.log").read_text()
    assert "30 copied, 1 reshaped (fc6), left as initialized: score_fr, not used: fc8" in log or (
        "28 copied, 2 reshaped (fc6, fc7), left as initialized: score_fr, not used: fc8" in log
    )
    assert "left as initialized: score_pool4" in (second.folder / "train.log").read_text()


def test_fixed_learns_the_scoring_layer_alone(tiny: Tiny) -> None:
    run = compose_run(tiny("experiment=shapes", "head=fcn32s_fixed"))
    torch.manual_seed(5)
    train(run)
    learned = formats.read_checkpoint(run.folder).weights
    other = compose_run(tiny("experiment=shapes", "head=fcn32s_fixed", "recipe.max_steps=3"))
    train(other)
    moved = {
        name.split(".")[1]
        for name, value in formats.read_checkpoint(other.folder).weights.items()
        if not torch.equal(value, learned[name])
    }
    assert moved == {"score_fr"}


def test_a_run_that_was_cut_off_goes_on_to_the_same_weights(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    common = ("experiment=shapes", "head=fcn32s", "recipe.max_steps=6", "recipe.val_every=2")
    whole = compose_run(tiny(*common, "seed=1"))
    train(whole)

    step = SegmentationTask.training_step
    cut = compose_run(tiny(*common, "seed=1", f"paths.runs={whole.folder.parents[3] / 'cut'}"))
    with monkeypatch.context() as patch:

        def broken(self: SegmentationTask, batch: list[dict[str, object]], i: int) -> torch.Tensor:
            if self.global_step == 3:
                raise RuntimeError("cut off")
            return step(self, batch, i)

        patch.setattr(SegmentationTask, "training_step", broken)
        with pytest.raises(RuntimeError, match="cut off"):
            train(cut)
    assert formats.read_checkpoint(cut.folder).step == 2
    assert not (cut.folder / "scores.json").exists()

    resumed = compose_run(
        tiny(*common, "seed=1", "resume=true", f"paths.runs={whole.folder.parents[3] / 'cut'}")
    )
    record = train(resumed)
    assert record.scores == json.loads((whole.folder / "scores.json").read_text())["scores"]
    assert formats.read_checkpoint(whole.folder).step == 6
    expected = formats.read_checkpoint(whole.folder).weights
    for name, value in formats.read_checkpoint(resumed.folder).weights.items():
        assert torch.equal(value, expected[name]), name
    with (resumed.folder / "metrics.csv").open() as file:
        steps = [int(row["step"]) for row in csv.DictReader(file) if row["val/mean_iu"]]
    assert steps == [2, 4, 6]


def test_a_loss_that_is_not_finite_stops_with_the_images_name(tiny: Tiny) -> None:
    run = compose_run(
        tiny(
            "experiment=shapes", "head=fcn32s", "recipe.optimizer=sgd", "recipe.lr=1e30",
            "recipe.max_steps=9", "recipe.clip=null", "recipe.warmup=0",
        )
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"The loss of scene_\d+.* is not finite at step \d"):
        train(run)


def test_compare_gives_the_difference_of_the_two_runs(tiny: Tiny) -> None:
    a = compose_run(
        tiny("experiment=shapes", "head=fcn32s", "recipe.max_steps=8", "recipe.lr=0.01")
    )
    b = compose_run(tiny("experiment=shapes", "head=fcn32s"))
    scores = [train(run).scores["mean_iu"] for run in (a, b)]
    difference = compare_runs(a.folder, b.folder)["mean_iu"]
    assert [difference.a, difference.b] == pytest.approx(scores, abs=1e-12)
    assert difference.low <= difference.a - difference.b <= difference.high


@pytest.mark.parametrize("path", sorted(conf_dir().glob("experiment/*.yaml")), ids=lambda p: p.stem)
def test_every_experiment_is_named_as_its_file(path: Path) -> None:
    config = compose([f"experiment={path.stem}"])
    assert config.name is None, "the choice of the experiment names the folder"


@pytest.mark.parametrize("path", sorted(conf_dir().glob("data/*.yaml")), ids=lambda p: p.stem)
def test_every_data_config_is_named_as_its_file(path: Path) -> None:
    assert compose([f"data={path.stem}"]).data.name == path.stem


def test_the_papers_experiment_takes_a_step(tiny: Tiny, tiny_data: Path) -> None:
    own = [
        "experiment=voc", f"data.root={tiny_data / 'shapes'}", "data.train=[sbd/train]",
        "data.val=voc/val", "recipe.batch=1", "recipe.lr=1e-8",
    ]  # fmt: skip
    run = compose_run(tiny(*own))
    record = train(run)
    assert record.step == 2
    assert record.scores["loss"] > 1000, "a summed loss"
    for data, root in ((None, None), ("voc_trees", tiny_data / "shapes")):
        assert evaluate(run.folder, data, root)["scores"] == record.scores


def test_passes_add_up_to_the_batch(tiny: Tiny) -> None:
    own = ("experiment=shapes", "recipe.batch=4", "augment.crop=64", "recipe.optimizer=sgd")
    at_once, in_passes = (compose_run(tiny(*own, *more)) for more in ((), ("recipe.per_pass=1",)))
    for run in (at_once, in_passes):
        train(run)
    expected = formats.read_checkpoint(at_once.folder).weights
    for name, value in formats.read_checkpoint(in_passes.folder).weights.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("experiment", ["shapes", "voc", "voc_animals"])
def test_fixed_is_fixed_in_every_experiment(experiment: str) -> None:
    own = [f"experiment={experiment}", "head=fcn32s_fixed", "init_from=null", "data.root=x"]
    run = compose_run(own)
    with torch.device("meta"):
        net = run.network(3)
    parameter_groups(net, run.recipe)
    learns = {name for name, parameter in net.named_parameters() if parameter.requires_grad}
    assert learns == {"head.score_fr.weight", "head.score_fr.bias"}
