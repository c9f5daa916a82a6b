import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from fcn_lightning.optim import Recipe, configure, describe_groups, parameter_groups

HEAVY = {
    "loss": "sum",
    "optimizer": "sgd",
    "lr": 0.01,
    "momentum": 0.9,
    "weight_decay": 0.1,
    "batch": 8,
    "max_steps": 10,
    "val_every": 5,
}


def recipe(**changes):
    return Recipe(**{**HEAVY, **changes})


def names_of(network, group):
    ids = {id(parameter) for parameter in group["params"]}
    return {name for name, parameter in network.named_parameters() if id(parameter) in ids}


@pytest.mark.parametrize(
    ("num_processes", "per_pass", "passes"),
    [
        (1, None, (8, 1)),
        (2, None, (4, 1)),
        (8, None, (1, 1)),
        (1, 2, (2, 4)),
        (2, 2, (2, 2)),
        (4, 1, (1, 2)),
    ],
)
def test_passes(num_processes, per_pass, passes):
    assert recipe(per_pass=per_pass).passes(num_processes) == passes


@pytest.mark.parametrize(
    ("changes", "num_processes", "message"),
    [
        (
            {"batch": 20},
            8,
            "`recipe.batch` (20) must be divisible by the number of processes (8). Use a multiple "
            "of 8, or a number of processes that divides the batch (1, 2, 4, 5, 10 or 20).",
        ),
        (
            {"batch": 1},
            2,
            "`recipe.batch` (1) must be divisible by the number of processes (2). Use a multiple "
            "of 2, or a number of processes that divides the batch (1).",
        ),
        (
            {"batch": 12, "per_pass": 4},
            2,
            "`recipe.per_pass` (4) must divide a process's share of the batch (6). Use 1, 2, 3 or "
            "6.",
        ),
        (
            {"batch": 4, "per_pass": 8},
            1,
            "`recipe.per_pass` (8) must divide a process's share of the batch (4). Use 1, 2 or 4.",
        ),
    ],
)
def test_passes_refuses(changes, num_processes, message):
    with pytest.raises(ValueError, match=r".") as error:
        recipe(**changes).passes(num_processes)
    assert str(error.value) == message


@pytest.mark.parametrize(
    "changes",
    [
        {"lr": 0.0},
        {"lr": float("nan")},
        {"momentum": 1.0},
        {"weight_decay": -1.0},
        {"batch": 0},
        {"per_pass": 0},
        {"max_steps": 0},
        {"warmup": -1},
        {"clip": 0.0},
        {"loss": "median"},
        {"optimizer": "adam"},
        {"schedule": "cosine"},
        {"order": "sorted"},
        {"learning_rate": 0.1},
        {"rates": {"fc6": 0.0}},
    ],
)
def test_recipe_refuses(changes):
    (name,) = changes
    with pytest.raises(ValidationError) as error:
        recipe(**changes)
    assert [e["loc"][0] for e in error.value.errors()] == [name]


def test_biases_learn_twice_as_fast_and_do_not_decay(narrow):
    network = narrow(("pool4",))
    weights, biases = parameter_groups(network, recipe(lr_factor=0.5))
    assert (weights["lr"], weights["weight_decay"]) == (0.005, 0.1)
    assert (biases["lr"], biases["weight_decay"]) == (0.01, 0.0)
    layers = {name.rpartition(".")[0] for name, _ in network.named_parameters()}
    assert names_of(network, weights) == {f"{layer}.weight" for layer in layers}
    assert names_of(network, biases) == {f"{layer}.bias" for layer in layers}
    assert len(layers) == 17


def test_fixed_layers_are_left_out_and_get_no_gradient(narrow):
    network = narrow()
    groups = parameter_groups(network, recipe(fixed=("backbone",)))
    assert [names_of(network, group) for group in groups] == [
        {"head.score_fr.weight"},
        {"head.score_fr.bias"},
    ]
    assert {n for n, p in network.named_parameters() if p.requires_grad} == {
        "head.score_fr.weight", "head.score_fr.bias"
    }  # fmt: skip


def test_layers_are_selected_by_prefixes(narrow):
    network = narrow(("pool4",))
    parameter_groups(network, recipe(fixed=("conv1_", "score_pool4")))
    fixed = {name for name, p in network.named_parameters() if not p.requires_grad}
    layers = ("backbone.conv1_1", "backbone.conv1_2", "head.score_pool4")
    assert fixed == {f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")}


def test_what_is_no_longer_fixed_learns_again(narrow):
    network = narrow()
    parameter_groups(network, recipe(fixed=("backbone",)))
    parameter_groups(network, recipe())
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_rates_of_layers(narrow):
    network = narrow()
    groups = parameter_groups(network, recipe(rates={"score_fr": 10.0, "fc6": 10.0, "score": 3.0}))
    rates = {name: group["lr"] for group in groups for name in names_of(network, group)}
    assert rates["backbone.conv5_3.weight"] == 0.01
    assert rates["backbone.fc7.bias"] == 0.02
    assert rates["backbone.fc6.weight"] == rates["head.score_fr.weight"] == pytest.approx(0.1)
    assert rates["backbone.fc6.bias"] == rates["head.score_fr.bias"] == pytest.approx(0.2)


def test_plain_biases_learn_as_weights(narrow):
    network = narrow(backbone="caffenet")
    slow, fast = parameter_groups(network, recipe(plain_biases=("conv", "fc")))
    assert (slow["lr"], slow["weight_decay"]) == (0.01, 0.1)
    assert (fast["lr"], fast["weight_decay"]) == (0.02, 0.0)
    assert names_of(network, fast) == {"head.score_fr.bias"}


@pytest.mark.parametrize("key", ["fixed", "plain_biases", "rates"])
def test_prefixes_of_no_layer_are_refused(key):
    network = nn.Sequential()
    network.add_module("conv1", nn.Conv2d(1, 1, 1))
    network.add_module("fc6", nn.Conv2d(1, 1, 1))
    names = ("conv1", "conv2_")
    wrong = recipe(**{key: dict.fromkeys(names, 2.0) if key == "rates" else names})
    with pytest.raises(ValueError, match="prefixes") as error:
        parameter_groups(network, wrong)
    assert str(error.value) == (
        f"`recipe.{key}` must list prefixes of layer names (conv1, fc6); got 'conv2_'."
    )


@pytest.mark.parametrize("kind", ["weight", "bias", "eight", ""])
def test_kinds_of_parameters_are_no_layers(narrow, kind):
    with pytest.raises(ValueError, match="must list prefixes of layer names"):
        parameter_groups(narrow(), recipe(fixed=(kind,)))


def test_nothing_left_to_learn_is_refused(narrow):
    with pytest.raises(ValueError, match="fixes all layers") as error:
        parameter_groups(narrow(), recipe(fixed=("backbone", "head")))
    assert str(error.value) == "`recipe.fixed` fixes all layers. Leave at least one that learns."


REFERENCE = {"lr": 1e-10, "weight_decay": 5e-4, "momentum": 0.99, "batch": 1}
"""The reference's solvers of FCN-32s, 16s (with lr_factor 1e-2) and 8s (1e-4)."""


def test_groups_of_the_references_fcn16s(narrow):
    assert describe_groups(narrow(("pool4",)), recipe(**REFERENCE, lr_factor=1e-2)) == (
        "lr     weight decay  parameters  layers\n"
        "1e-12  0.0005           164,028  weights of conv1_1 to score_pool4\n"
        "2e-12  0                    434  biases of conv1_1 to score_pool4"
    )


def test_groups_of_fcn32s_fixed(narrow):
    assert describe_groups(narrow(), recipe(**REFERENCE, fixed=("backbone",))) == (
        "lr     weight decay  parameters  layers\n"
        "1e-10  0.0005             1,344  weights of score_fr\n"
        "2e-10  0                     21  biases of score_fr\n"
        "fixed                   162,404  weights and biases of conv1_1 to fc7"
    )


def test_groups_of_several_rates(narrow):
    changes = {"fixed": ("conv1_", "conv2_1"), "rates": {"score": 10.0, "conv3_": 0.1}}
    assert describe_groups(narrow(("pool4",)), recipe(**REFERENCE, **changes)).splitlines()[1:] == [
        "1e-10  0.0005           155,712  weights of conv2_2, conv4_1 to fc7",
        "2e-10  0                    328  biases of conv2_2, conv4_1 to fc7",
        "1e-11  0.0005             5,760  weights of conv3_1 to conv3_3",
        "2e-11  0                     48  biases of conv3_1 to conv3_3",
        "1e-09  0.0005             2,016  weights of score_fr, score_pool4",
        "2e-09  0                     42  biases of score_fr, score_pool4",
        "fixed                       556  weights and biases of conv1_1 to conv2_1",
    ]


def test_groups_of_the_references_alexnet(narrow):
    network = narrow(backbone="caffenet")
    text = describe_groups(network, recipe(lr=1e-4, weight_decay=5e-4, plain_biases=("conv", "fc")))
    assert text.splitlines()[1:] == [
        "0.0001  0.0005            53,672  weights of conv1 to score_fr; biases of conv1 to fc7",
        "0.0002  0                     21  biases of score_fr",
    ]


def test_describing_groups_changes_no_parameter(narrow):
    network = narrow()
    describe_groups(network, recipe(fixed=("backbone",)))
    assert all(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize(("clip", "fused"), [(None, True), (1e9, None)])
def test_ten_steps_are_caffes(clip, fused):
    """v = momentum v + lr (g + decay w); w = w - v, with twice the rate and no decay for biases."""
    network = nn.ModuleDict({"fc6": nn.Linear(3, 2)})
    layer = network["fc6"]
    optimizer, _ = configure(network, recipe(clip=clip))
    assert {group["fused"] for group in optimizer.param_groups} == {fused}
    w, b = (p.detach().double().numpy().copy() for p in (layer.weight, layer.bias))
    v_w, v_b = np.zeros_like(w), np.zeros_like(b)
    rng = np.random.default_rng(0)
    for _ in range(10):
        x, target = rng.normal(size=(4, 3)), rng.normal(size=(4, 2))
        optimizer.zero_grad()
        out = layer(torch.from_numpy(x).float())
        ((out - torch.from_numpy(target).float()) ** 2).sum().backward()
        optimizer.step()
        residual = 2 * (x @ w.T + b - target)
        v_w = 0.9 * v_w + 0.01 * (residual.T @ x + 0.1 * w)
        v_b = 0.9 * v_b + 0.02 * residual.sum(0)
        w, b = w - v_w, b - v_b
    np.testing.assert_allclose(layer.weight.detach(), w, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer.bias.detach(), b, rtol=1e-4, atol=1e-5)


def test_adamw_takes_the_recipes_numbers(narrow):
    optimizer, _ = configure(narrow(), recipe(optimizer="adamw", momentum=0.8))
    assert type(optimizer) is torch.optim.AdamW
    assert [group["betas"] for group in optimizer.param_groups] == [(0.8, 0.999)] * 2
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.1, 0.0]
    assert [group["lr"] for group in optimizer.param_groups] == [0.01, 0.02]


@pytest.mark.parametrize(
    ("changes", "rates"),
    [
        ({}, [1, 1, 1, 1]),
        ({"schedule": "linear", "max_steps": 4}, [1, 0.75, 0.5, 0.25]),
        ({"warmup": 3}, [0.25, 0.5, 0.75, 1, 1]),
        ({"schedule": "linear", "max_steps": 4, "warmup": 1}, [0.5, 0.75, 0.5, 0.25]),
    ],
)
def test_schedule_over_steps(changes, rates):
    optimizer, schedule = configure(nn.Linear(1, 1), recipe(lr=1.0, **changes))
    seen = []
    for _ in rates:
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert seen == pytest.approx(rates)
