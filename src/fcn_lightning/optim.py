"""How a network learns: recipes, and the parameter groups that they make of it."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from fcn_lightning.losses import Reduction

Positive = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Recipe:
    """The numbers of a training run.

    Attributes:
        loss: Whether an image's loss is summed or averaged over its valid pixels.
        optimizer: "sgd" as Caffe's solver (with `momentum`), or "adamw".
        lr: The learning rate of the backbone's weights.
        lr_factor: What a later stage multiplies all rates by.
        rates: By what the rate of some layers is multiplied, such as of those that start anew;
            where two beginnings fit a layer, the longer one counts.
        fixed: Layers that do not learn: ("backbone",) is the papers' FCN-32s-fixed.
        plain_biases: Layers whose biases learn as their weights do, as the reference's AlexNet; all
            others' have twice the rate and no decay.
        momentum: SGD's; AdamW's first beta.
        weight_decay: For weights, and for plain biases.
        schedule: "fixed" as in the papers; "linear" goes from the full rate to zero.
        warmup: Updates over which the rate rises to its full value.
        clip: The largest norm of an update's gradient; None leaves it alone.
        order: Images drawn "with_replacement", in the order of the reference for the seed 1337,
            or in "permutation"s.
        batch: Images of one update, over all processes and accumulation.
        per_pass: Images in one forward pass of one process; None for batch / processes.
        max_steps: Updates.
        val_every: Updates between validations; a run validates at its end in any case.

    Layers are named by the beginning of their names: "conv1_" or "score".
    """

    loss: Reduction
    optimizer: Literal["sgd", "adamw"]
    lr: Rate
    momentum: Annotated[float, Field(ge=0, lt=1)]
    weight_decay: Annotated[float, Field(ge=0)]
    batch: Positive
    max_steps: Positive
    val_every: Positive
    lr_factor: Rate = 1.0
    rates: dict[str, Rate] = field(default_factory=dict)
    fixed: tuple[str, ...] = ()
    plain_biases: tuple[str, ...] = ()
    schedule: Literal["fixed", "linear"] = "fixed"
    warmup: Annotated[int, Field(ge=0)] = 0
    clip: Rate | None = None
    order: Literal["with_replacement", "permutation"] = "with_replacement"
    per_pass: Positive | None = None

    def passes(self, num_processes: int) -> tuple[int, int]:
        """Images in one pass of one process, and passes of a process in one update.

        Raises:
            ValueError: The processes and passes do not divide the batch.
        """
        share, rest = divmod(self.batch, num_processes)
        if rest or share == 0:
            fitting = [n for n in range(1, self.batch + 1) if self.batch % n == 0]
            raise ValueError(
                f"`recipe.batch` ({self.batch}) must divide over the {num_processes} processes; "
                f"use {_either(fitting)} of them, or a batch that is a multiple of {num_processes}."
            )
        per_pass = self.per_pass or share
        if share % per_pass:
            fitting = [n for n in range(1, share + 1) if share % n == 0]
            raise ValueError(
                f"`recipe.per_pass` ({per_pass}) must divide a process's share of the batch "
                f"({share}); use {_either(fitting)}."
            )
        return per_pass, share // per_pass


def parameter_groups(network: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """Parameters by rate and decay; biases at twice the rate and without decay but for plain ones.

    Fixed layers lose their gradient and are left out.

    Source: shelhamer/fcn.berkeleyvision.org net.py, `param=[lr_mult 1, decay_mult 1; 2, 0]`;
    Long et al. 2015, 4.3.

    Raises:
        ValueError: A name in `fixed`, `rates` or `plain_biases` is the beginning of no layer's
            name, or nothing is left to learn.
    """
    parameters = dict(network.named_parameters())
    fixed = _begin_with(recipe.fixed, list(parameters), "recipe.fixed")
    plain = _begin_with(recipe.plain_biases, list(parameters), "recipe.plain_biases")
    factors = dict.fromkeys(parameters, 1.0)
    for beginning in sorted(recipe.rates, key=len):
        for name in _begin_with((beginning,), list(parameters), "recipe.rates"):
            factors[name] = recipe.rates[beginning]
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in parameters.items():
        parameter.requires_grad_(name not in fixed)
        if name not in fixed:
            free = name.endswith(".bias") and name not in plain
            groups.setdefault((factors[name], free), []).append(parameter)
    if not groups:
        raise ValueError("`recipe.fixed` must leave a layer to learn; it names all of them.")
    lr = recipe.lr * recipe.lr_factor
    return [
        {
            "params": members,
            "lr": lr * factor * (2 if free else 1),
            "weight_decay": 0.0 if free else recipe.weight_decay,
        }
        for (factor, free), members in groups.items()
    ]


def _begin_with(beginnings: tuple[str, ...], names: list[str], key: str) -> set[str]:
    """The parameters of the layers that begin so: `backbone.conv1_1.weight` by "conv1_"."""
    layer_of = {name: name.rpartition(".")[0] for name in names}
    found: set[str] = set()
    for beginning in beginnings:
        matches = {name for name, layer in layer_of.items() if f".{beginning}" in f".{layer}"}
        if not beginning or not matches:
            layers = dict.fromkeys(layer.rpartition(".")[2] for layer in layer_of.values())
            raise ValueError(
                f"`{key}` must name layers by their beginnings ({', '.join(layers)}); got "
                f"'{beginning}'."
            )
        found |= matches
    return found


def configure(network: nn.Module, recipe: Recipe) -> tuple[Optimizer, LambdaLR]:
    """The optimizer of a recipe, and its schedule over updates.

    SGD is Caffe's update at a fixed rate: v = momentum v + lr (g + decay w), w = w - v.
    """
    groups = parameter_groups(network, recipe)
    optimizer: Optimizer
    if recipe.optimizer == "sgd":
        optimizer = SGD(groups, lr=recipe.lr, momentum=recipe.momentum)
    else:
        optimizer = AdamW(groups, lr=recipe.lr, betas=(recipe.momentum, 0.999))

    def factor(step: int) -> float:
        rise = min(1.0, (step + 1) / (recipe.warmup + 1))
        fall = 1 - step / recipe.max_steps if recipe.schedule == "linear" else 1.0
        return rise * fall

    return optimizer, LambdaLR(optimizer, factor)


def _either(sizes: list[int]) -> str:
    return " or ".join(", ".join(map(str, sizes)).rsplit(", ", 1))
