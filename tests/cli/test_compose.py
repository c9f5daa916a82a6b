from __future__ import annotations

from pathlib import Path

import pytest

from fcn_lightning.cli.compose import (
    Settings,
    as_given,
    compose,
    job,
    starting_point,
    variant_suffix,
)
from fcn_lightning.cli.errors import InputError, is_of_input, sentence


@pytest.mark.parametrize(
    ("overrides", "suffix"),
    [
        ([], ""),
        (["experiment=shapes", "seed=3", "trainer=ddp", "trainer.devices=2", "logger=csv"], ""),
        (["data.root=/x/y", "init_from=a.ckpt", "paths.runs=r", "resume=true"], ""),
        (["recipe.lr=0.001"], "-recipe.lr-0.001"),
        (["recipe.lr=0.001", "data=voc"], "-data-voc-recipe.lr-0.001"),
    ],
)
def test_the_variant_names_what_changes_the_run(overrides: list[str], suffix: str) -> None:
    assert variant_suffix(overrides) == suffix


def test_a_suffix_that_is_no_plain_name_ends_in_a_hash() -> None:
    suffixes = {variant_suffix([f"head.skips=[pool{i}]"]) for i in (3, 4)}
    assert len(suffixes) == 2
    for suffix in suffixes:
        assert not set(suffix) & set("=,[] ")
        assert len(suffix) <= 100


def test_the_run_folder_follows_from_what_the_run_is() -> None:
    run = job(["experiment=shapes", "head=fcn16s", "recipe.lr=0.001", "seed=2", "init_from=null"])
    assert run.folder == Path("runs/shapes/fcn16s-recipe.lr-0.001/seed2")


@pytest.mark.parametrize(
    ("head", "factor", "before"),
    [("fcn32s", 1.0, None), ("fcn16s", 1e-2, "fcn32s"), ("fcn8s", 1e-4, "fcn16s")],
)
def test_the_papers_stages_start_from_one_another_at_falling_rates(
    head: str, factor: float, before: str | None
) -> None:
    run = job(["experiment=voc", f"head={head}", "data.root=x", "classifier=vgg16.pth"])
    assert run.recipe.lr * run.recipe.lr_factor == pytest.approx(1e-10 * factor)
    assert (run.recipe.momentum, run.recipe.batch, run.recipe.loss) == (0.99, 1, "sum")
    expected = Path(f"runs/voc/{before}/seed1337") if before else Path("vgg16.pth")
    assert run.init_from == {"": expected}


def test_the_stage_before_has_the_same_overrides_where_there_is_one(tmp_path: Path) -> None:
    own = ["experiment=shapes", "head=fcn16s", "recipe.lr=0.001", f"paths.runs={tmp_path}"]
    assert job(own).init_from == {"": tmp_path / "shapes" / "fcn32s" / "seed0"}
    same = tmp_path / "shapes" / "fcn32s-recipe.lr-0.001" / "seed0"
    same.mkdir(parents=True)
    assert job(own).init_from == {"": same}


def test_late_fusion_starts_from_the_network_of_each_modality() -> None:
    config, settings = compose(["experiment=nyud_color_hha"]), Settings.model_construct()
    settings.init_from = "default"
    start = starting_point(config, settings, "", [])
    assert start == {
        "color": Path("runs/nyud_color/fcn32s/seed1337"),
        "hha": Path("runs/nyud_hha/fcn32s/seed1337"),
    }
    assert as_given(start) == {name: str(place) for name, place in start.items()}


def test_the_first_stage_must_be_told_what_it_starts_from() -> None:
    with pytest.raises(InputError, match=r"The first stage of voc must be told .* classifier=FILE"):
        job(["experiment=voc", "data.root=x"])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("recipe.fixed=[conf1]", "`recipe.fixed` must name layers by their beginnings"),
        ("backbone.padding=50", "`padding` must be 100 or 'same'; got 50."),
        ("backbone.name=vgg", "`backbone.name` must be one of alexnet, caffenet, googlenet, vgg16"),
        ("head.skips=[pool3,pool4]", "`skips` must name endpoints of the backbone"),
        ("normalize=cafe", "`normalize` must be one of caffe, pascal_context, siftflow, "),
        ("augment.scale=[0.0,1.0]", "`augment.scale` must be the least and the largest"),
        ("seed=-1", "`seed`: Input should be greater than or equal to 0; got -1."),
    ],
)
def test_values_are_checked_before_any_work(override: str, message: str) -> None:
    with pytest.raises(Exception, match=r".") as caught:
        job(["experiment=shapes", "init_from=null", override])
    assert is_of_input(caught.value)
    assert sentence(caught.value).startswith(message)
