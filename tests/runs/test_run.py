"""From overrides to a checked run: its folder, start and recipe."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra.utils import instantiate

from fcn_lightning.cli.errors import is_of_input, sentence
from fcn_lightning.runs.compose import compose
from fcn_lightning.runs.devices import declared_needs
from fcn_lightning.runs.run import compose_run, read_run
from fcn_lightning.runs.start import Place, starting_points


def test_the_run_folder_follows_from_what_the_run_is() -> None:
    own = ["experiment=shapes", "head=fcn16s", "recipe.lr=0.001", "seed=2"]
    run = compose_run([*own, "trainer=cpu"])
    assert run.folder == Path("runs/shapes/fcn16s-lr-0.001/seed2")
    assert (run.experiment, run.head, run.debug) == ("shapes", "fcn16s", None)
    assert run.name == "fcn16s-lr-0.001/seed2"


def test_a_debug_run_lies_elsewhere() -> None:
    run = compose_run(["experiment=shapes", "debug=limit"])
    assert run.folder == Path("runs/debug/shapes/fcn32s/seed0")
    assert run.debug == "limit"
    assert run.start == {"": Path("runs/shapes_classifier/classifier/seed0")}


def test_name_replaces_the_experiments() -> None:
    run = compose_run(["experiment=shapes", "name=mine", "init_from=null"])
    assert run.folder == Path("runs/mine/fcn32s-init_from-null/seed0")


@pytest.mark.parametrize(
    ("head", "factor", "before"),
    [("fcn32s", 1.0, None), ("fcn16s", 1e-2, "fcn32s"), ("fcn8s", 1e-4, "fcn16s")],
)
def test_the_papers_stages_start_from_one_another_at_falling_rates(
    head: str, factor: float, before: str | None
) -> None:
    run = compose_run(["experiment=voc", f"head={head}", "data.root=x", "classifier=vgg16.pth"])
    assert run.recipe.lr * run.recipe.lr_factor == pytest.approx(1e-10 * factor)
    assert (run.recipe.momentum, run.recipe.batch, run.recipe.loss) == (0.99, 1, "sum")
    expected = Path(f"runs/voc/{before}/seed1337") if before else Path("vgg16.pth")
    assert run.start == {"": expected}


def test_the_stage_before_has_the_same_overrides_where_there_is_one(tmp_path: Path) -> None:
    own = ["experiment=shapes", "head=fcn16s", "recipe.lr=0.001", f"paths.runs={tmp_path}"]
    assert compose_run(own).start == {"": tmp_path / "shapes" / "fcn32s" / "seed0"}
    same = tmp_path / "shapes" / "fcn32s-lr-0.001" / "seed0"
    assert compose_run(own, coming=[same]).start == {"": same}
    same.mkdir(parents=True)
    assert compose_run(own).start == {"": same}


def test_late_fusion_starts_from_the_network_of_each_modality() -> None:
    config = compose(["experiment=nyud_color_hha"])
    place = Place(Path("runs"), "nyud_color_hha", None, 1337)
    assert starting_points(config, place, "", []) == {
        "color": Path("runs/nyud_color/fcn32s/seed1337"),
        "hha": Path("runs/nyud_hha/fcn32s/seed1337"),
    }


def test_tf32_needs_a_gpu_and_is_another_run() -> None:
    own = ["experiment=shapes", "init_from=null", "matmul_precision=high"]
    with pytest.raises(ValueError, match="matmul_precision=high is TF32, which only GPUs have"):
        compose_run([*own, "trainer=cpu"])
    config = compose([*own, "trainer=gpu"])
    run = read_run(config, config.hydra, needs_of=declared_needs)
    assert run.name == "fcn32s-init_from-null-matmul_precision-high/seed0"
    assert run.precision == "32-true, TF32"


def test_the_first_stage_needs_a_start() -> None:
    with pytest.raises(ValueError, match="classifier=FILE") as error:
        compose_run(["experiment=voc", "data.root=x"])
    assert str(error.value) == (
        "voc does not say what its first stage starts from. Name the weights of a classifier by "
        "classifier=FILE, any checkpoint by init_from=PATH, or start from nothing by "
        "init_from=null."
    )


def test_configs_of_ones_own_are_found(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text(
        "# @package _global_\ndefaults:\n  - /experiment/shapes\n  - _self_\n"
        "recipe:\n  max_steps: 7\n"
    )
    run = compose_run(["experiment=mine"], config_dir=tmp_path)
    assert run.recipe.max_steps == 7
    assert run.folder == Path("runs/mine/fcn32s/seed0")


@pytest.mark.parametrize(
    ("overrides", "names"),
    [
        ([], ["wandb"]),
        (["logger=[wandb,csv]"], ["wandb"]),
        (["logger=[wandb,tensorboard]"], ["wandb", "tensorboard"]),
        (["logger=csv"], []),
        (["~logger"], []),
    ],
)
def test_loggers_combine(overrides: list[str], names: list[str]) -> None:
    assert list(compose_run(["experiment=shapes", *overrides]).loggers) == names


def test_callbacks_combine() -> None:
    own = ["experiment=shapes", "callbacks=[default,early_stopping,layers]"]
    run = compose_run([*own, "callbacks.early_stopping.patience=2"])
    assert list(run.callbacks) == ["pictures", "early_stopping", "layers"]
    assert run.callbacks["early_stopping"].patience == 2


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("recipe.fixed=[conf1]", "`recipe.fixed` must list prefixes of layer names"),
        ("backbone.padding=50", "`padding` must be 100 or 'same'; got 50."),
        (
            "backbone.name=vgg",
            "`backbone.name` must be one of alexnet, caffenet, googlenet, timm, vgg16, vgg19",
        ),
        ("head.skips=[pool3,pool4]", "`skips` must name endpoints of the backbone"),
        ("normalize=cafe", "`normalize` must be one of caffe, pascal_context, siftflow, "),
        ("augment.scale=[0.0,1.0]", "`augment.scale` must be two positive factors"),
        ("head.last=pool9", "`last` must name an endpoint of the backbone (pool1, pool2, pool3, "),
        ("backbone.pool5_stride=4", "`pool5_stride` must be 1 or 2; got 4."),
        (
            "recipe.loss_sampling=0",
            "`recipe.loss_sampling`: Input should be greater than 0; got 0.",
        ),
        (
            "recipe.loss_sampling=1.5",
            "`recipe.loss_sampling`: Input should be less than or equal to 1; got 1.5.",
        ),
        (
            "recipe.class_weights=[1,-1]",
            "`recipe.class_weights`: Use null, balanced, or a list of one positive number for each "
            "class; got [1, -1].",
        ),
        (
            "recipe.class_weights=median",
            "`recipe.class_weights`: Use null, balanced, or a list of one positive number for each "
            "class; got 'median'.",
        ),
        ("seed=-1", "`seed`: Input should be greater than or equal to 0; got -1."),
    ],
)
def test_values_are_checked_before_any_work(override: str, message: str) -> None:
    with pytest.raises(Exception, match=r".") as caught:
        compose_run(["experiment=shapes", "init_from=null", override])
    assert is_of_input(caught.value)
    assert sentence(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "recipe.loss_sampling=0.5",
            "`recipe.loss_sampling` (0.5) needs label maps, but a classifier scores whole images. "
            "Set it to null.",
        ),
        (
            "mask.test=both",
            "`mask.test` (both) needs label maps, but a classifier scores whole images. Set it to "
            "null.",
        ),
    ],
)
def test_settings_of_pixels_are_refused_for_a_classifier(override: str, message: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        compose_run(["experiment=shapes_classifier", override])
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "trainer.max_steps=1",
            "`trainer.max_steps` (1) contradicts recipe.max_steps (440). Set recipe.max_steps "
            "alone.",
        ),
        (
            "trainer.gradient_clip_val=2.0",
            "`trainer.gradient_clip_val` (2.0) contradicts recipe.clip (1.0). Set recipe.clip "
            "alone.",
        ),
        (
            "trainer.accumulate_grad_batches=3",
            "`trainer.accumulate_grad_batches` (3) contradicts recipe.batch and recipe.per_pass "
            "(1). Set recipe.batch and recipe.per_pass alone.",
        ),
        (
            "trainer.max_epochs=1",
            "`trainer.max_epochs` is -1 in every run; got 1. Training is counted in steps: set "
            "`recipe.max_steps`.",
        ),
        (
            "trainer.limit_train_batches=2",
            "`trainer.limit_train_batches` is None in every run; got 2. Set `recipe.max_steps` for "
            "fewer steps, or `trainer.overfit_batches` for fewer images.",
        ),
        ("+trainer.logger=x", "Unknown key `trainer.logger`."),
        (
            "+trainer.profilr=simple",
            "Unknown key `trainer.profilr`. Did you mean `trainer.profiler`?",
        ),
        (
            "+num_classes=2",
            "Unknown key `num_classes`. Use `data`: a network has as many classes",
        ),
        ("+logger.tags=[a]", "Unknown key `logger.tags`. Use `tags`."),
        ("+callbacks.patience=3", "Unknown key `callbacks.patience`."),
    ],
)
def test_keys_that_would_be_ignored_are_refused(override: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"`(trainer|num_classes|logger|callbacks)") as caught:
        compose_run(["experiment=shapes", "init_from=null", "recipe.max_steps=440", override])
    assert str(caught.value).startswith(message)


def test_an_argument_of_the_strategys_timeout_is_taken() -> None:
    own = ["experiment=shapes", "init_from=null", "trainer=ddp_cpu", "recipe.batch=2"]
    run = compose_run([*own, "+trainer.strategy.timeout.seconds=5"])
    assert instantiate(run.config.trainer.strategy.timeout).seconds % 60 == 5


def test_a_key_that_agrees_with_the_recipe_is_taken() -> None:
    own = ["experiment=shapes", "init_from=null", "recipe.max_steps=5", "trainer.max_steps=5"]
    assert compose_run(own).recipe.max_steps == 5
