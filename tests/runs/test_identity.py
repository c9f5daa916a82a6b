"""What makes two runs the same."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from fcn_lightning.runs.identity import differences, in_words, variant_suffix


@pytest.mark.parametrize(
    ("overrides", "suffix"),
    [
        ([], ""),
        (["experiment=shapes", "seed=3", "trainer=ddp", "trainer.devices=2", "logger=csv"], ""),
        (["data.root=/x/y", "paths.runs=r", "resume=true", "num_workers=0", "tags=[a]"], ""),
        (["callbacks=none", "callbacks.pictures.num_images=2", "logger.wandb.group=g"], ""),
        (["recipe.lr=0.001"], "-lr-0.001"),
        (["recipe.lr=0.001", "data=voc"], "-data-voc-lr-0.001"),
        (["init_from=null"], "-init_from-null"),
        (["normalize=torchvision"], "-normalize-torchvision"),
        (["trainer.precision=bf16-mixed"], "-precision-bf16-mixed"),
        (["trainer.limit_test_batches=1"], "-limit_test_batches-1"),
        (["trainer.fast_dev_run=true"], "-fast_dev_run-true"),
        (["callbacks=[default,early_stopping]"], "-callbacks-default_early_stopping"),
        (["trainer=mine"], "-trainer-mine"),
        (["+recipe.lr=1", "~augment.crop"], "-crop-none-lr-1"),
    ],
)
def test_the_variant_names_what_changes_the_result(overrides: list[str], suffix: str) -> None:
    assert variant_suffix(overrides) == suffix


def test_the_order_of_overrides_does_not_matter() -> None:
    assert variant_suffix(["a.b=1", "a.c=2"]) == variant_suffix(["a.c=2", "a.b=1"])


def test_two_files_of_one_name_are_two_variants() -> None:
    one, other = (variant_suffix([f"init_from={place}/w.ckpt"]) for place in ("a", "b"))
    assert one != other
    assert one.startswith("-init_from-w.ckpt-")


def test_names_are_short_and_safe() -> None:
    long = [f"augment.key{i}=[{i},pool {i}]" for i in range(30)]
    for suffix in (variant_suffix(long), variant_suffix(["head.skips=[pool4,pool3]"])):
        assert not set(suffix) & set("=,[] '\"")
        assert len(suffix) <= 60
    assert variant_suffix(long) != variant_suffix(long[:-1])


def test_configs_differ_in_the_keys_that_count() -> None:
    a = {"recipe": {"lr": 1.0, "fixed": ()}, "seed": 0, "trainer": {"devices": 1}, "x": None}
    b = {"recipe": {"lr": 2.0, "fixed": []}, "seed": 1, "trainer": {"devices": 2}, "y": 3}
    assert differences(a, b) == {"recipe.lr": (1.0, 2.0), "y": ("(absent)", 3)}
    assert differences(a, b, free=["recipe", "y"]) == {}
    assert in_words(differences(a, b, free=["y"])) == "recipe.lr is 1.0, not 2.0"


def test_an_older_record_lacks_keys_that_are_at_their_default() -> None:
    older, default, other = ({"head": head} for head in ({}, {"fuse": "sum"}, {"fuse": "max"}))
    assert differences(older, default) == {}
    assert differences(older, other) == {"head.fuse": ("sum", "max")}


@pytest.mark.parametrize(
    ("experiment", "head"),
    [("shapes", "fcn16s"), ("shapes_classifier", "classifier"), ("voc_alexnet", "fcn32s")],
)
def test_a_record_from_before_the_variants_is_that_of_a_default_run(
    experiment: str, head: str, config_of: Callable[..., dict[str, Any]]
) -> None:
    now = config_of(experiment, head, 0)
    before = copy.deepcopy(now)
    for node, key in (
        ("head", "fuse"), ("head", "score_init"), ("head", "last"), ("backbone", "pool5_stride"),
        ("recipe", "loss_sampling"), ("recipe", "class_weights"),
    ):  # fmt: skip
        before[node].pop(key, None)
    del before["mask"]
    assert before != now
    assert differences(before, now) == differences(now, before) == {}


def test_a_start_among_the_runs_is_the_same_wherever_they_are() -> None:
    here, there, other = (
        {"paths": {"runs": runs}, "init_from": start}
        for runs, start in (("runs", "runs/a"), ("/x/runs", "/x/runs/a"), ("/x/runs", "runs/a"))
    )
    assert differences(here, there) == {}
    assert differences(here, other) == {"init_from": ("${paths.runs}/a", "runs/a")}
