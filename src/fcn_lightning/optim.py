"""Training recipes, and the optimizer and parameter groups that follow from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from itertools import groupby
from typing import Annotated, Any, Literal, NamedTuple, get_args

from pydantic import BeforeValidator, ConfigDict, Field, SkipValidation
from pydantic.dataclasses import dataclass
from pydantic_core import PydanticCustomError
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from fcn_lightning.losses import Reduction

Positive = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0)]


def _class_weights(value: object) -> object:
    numbers = value if isinstance(value, list | tuple) else ()
    positive = [isinstance(each, int | float) and each > 0 for each in numbers]
    if value in (None, "balanced") or (positive and all(positive)):
        return value
    raise PydanticCustomError(
        "class_weights", "Use null, balanced, or a list of one positive number for each class"
    )


def _loss(value: object) -> object:
    if value in get_args(Reduction) or callable(value):
        return value
    raise PydanticCustomError("loss", "Input should be 'sum' or 'mean', or a function")


Loss = Annotated[
    SkipValidation[Reduction | Callable[[Tensor, Tensor], Tensor]], BeforeValidator(_loss)
]
"""A reduction of the softmax loss, or a function of one's own: from scores (n, classes, h, w) and
labels (n, h, w) to the loss of each image (n,)."""

ClassWeights = Annotated[
    Literal["balanced"] | tuple[float, ...] | None, BeforeValidator(_class_weights)
]

PLURALS = {"weight": "weights", "bias": "biases"}


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Recipe:
    """The settings of a training run.

    `rates`, `fixed` and `plain_biases` select layers by prefixes of their names: "conv1_" or
    "score".

    Attributes:
        loss: "sum" or "mean" over the valid pixels of an image; or a training loss of one's own,
            beside which validation reports the softmax loss, averaged.
        optimizer: "sgd", as Caffe's solver, or "adamw".
        lr: Learning rate of weights; biases have twice this rate.
        lr_factor: Factor on all learning rates; later stages use it to learn more slowly.
        rates: Factors on the learning rate of selected layers, such as newly initialized ones. If
            two prefixes match a layer, the longer one is used.
        fixed: Layers that do not learn: ("backbone",) gives FCN-32s-fixed of the papers.
        plain_biases: Layers whose biases have the rate and decay of weights, as in the reference's
            AlexNet. All other biases have twice the rate and no decay.
        momentum: Momentum of SGD; first beta of AdamW.
        weight_decay: Applied to weights and plain biases.
        schedule: "fixed", as in the papers, or "linear" from the full rate to zero.
        warmup: Number of steps in which the rate rises to its full value.
        clip: Maximum norm of the gradient; None for no clipping.
        order: "with_replacement" draws images at random, with seed 1337 in the reference's order;
            "permutation" shuffles all images again and again.
        batch: Images per step, summed over all processes and accumulated passes.
        per_pass: Images in one forward pass of one process; None for batch / processes.
        loss_sampling: Probability with which each cell of the network's coarsest map stays in the
            loss of a training image; None for all. With p, CVPR 2015 (4.3) takes 1 / p times as
            many images: set `batch` to that. The loss "mean" is over the pixels that stay; the
            loss "sum" of an image becomes p times as large on average.
        class_weights: Factors on the training loss of each class: a list; "balanced" for inverse
            frequencies among the training pixels (`losses.balanced_weights`); None for none.
        max_steps: Number of optimizer steps.
        val_every: Steps between validations. The end of a run is always validated.
    """

    loss: Loss
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
    loss_sampling: Annotated[float, Field(gt=0, le=1)] | None = None
    class_weights: ClassWeights = None

    @property
    def reduction(self) -> Reduction:
        """The reduction of the softmax loss that is reported."""
        return "mean" if callable(self.loss) else self.loss

    def passes(self, num_processes: int) -> tuple[int, int]:
        """Return the images in one pass of a process, and its passes in one step.

        Raises:
            ValueError: The batch is not divisible by the number of processes, or a process's
                share of it by `per_pass`.
        """
        share, rest = divmod(self.batch, num_processes)
        if rest or share == 0:
            fitting = [n for n in range(1, self.batch + 1) if self.batch % n == 0]
            raise ValueError(
                f"`recipe.batch` ({self.batch}) must be divisible by the number of processes "
                f"({num_processes}). Use a multiple of {num_processes}, or a number of processes "
                f"that divides the batch ({_either(fitting)})."
            )
        per_pass = self.per_pass or share
        if share % per_pass:
            fitting = [n for n in range(1, share + 1) if share % n == 0]
            raise ValueError(
                f"`recipe.per_pass` ({per_pass}) must divide a process's share of the batch "
                f"({share}). Use {_either(fitting)}."
            )
        return per_pass, share // per_pass


class Group(NamedTuple):
    """Parameters, by name, that share a learning rate and a weight decay."""

    names: tuple[str, ...]
    lr: float
    weight_decay: float


def parameter_groups(network: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """Sorts the parameters into groups by learning rate and weight decay, for an optimizer.

    Parameters of fixed layers are left out, and no longer require a gradient.

    Raises:
        ValueError: A prefix in `fixed`, `rates` or `plain_biases` matches no layer, or all layers
            are fixed.
    """
    parameters = dict(network.named_parameters())
    groups = named_groups(list(parameters), recipe)
    learning = {name for group in groups for name in group.names}
    for name, parameter in parameters.items():
        parameter.requires_grad_(name in learning)
    return [
        {
            "params": [parameters[name] for name in group.names],
            "lr": group.lr,
            "weight_decay": group.weight_decay,
        }
        for group in groups
    ]


def named_groups(names: list[str], recipe: Recipe) -> list[Group]:
    """The groups of the parameters with these names; biases have twice the rate and no decay.

    Source: shelhamer/fcn.berkeleyvision.org net.py, `param=[lr_mult 1, decay_mult 1; 2, 0]`;
    Long et al. 2015, 4.3.
    """
    fixed = _of_layers(recipe.fixed, names, "recipe.fixed")
    plain = _of_layers(recipe.plain_biases, names, "recipe.plain_biases")
    factors = dict.fromkeys(names, 1.0)
    for prefix in sorted(recipe.rates, key=len):
        for name in _of_layers((prefix,), names, "recipe.rates"):
            factors[name] = recipe.rates[prefix]
    groups: dict[tuple[float, bool], list[str]] = {}
    for name in names:
        if name not in fixed:
            doubled = name.endswith(".bias") and name not in plain
            groups.setdefault((factors[name], doubled), []).append(name)
    if not groups:
        raise ValueError("`recipe.fixed` fixes all layers. Leave at least one that learns.")
    lr = recipe.lr * recipe.lr_factor
    return [
        Group(
            tuple(members),
            lr=lr * factor * (2 if doubled else 1),
            weight_decay=0.0 if doubled else recipe.weight_decay,
        )
        for (factor, doubled), members in groups.items()
    ]


def describe_groups(network: nn.Module, recipe: Recipe) -> str:
    """Describe the parameter groups in an aligned table, with their effective learning rates.

    The last row has the parameters of fixed layers. Layers in a row of the network are given as
    "first to last".
    """
    sizes = {name: parameter.numel() for name, parameter in network.named_parameters()}
    groups = named_groups(list(sizes), recipe)
    rows = [("lr", "weight decay", "parameters", "layers")]
    rows += [
        (f"{group.lr:g}", f"{group.weight_decay:g}", *_contents(group.names, sizes))
        for group in groups
    ]
    learning = {name for group in groups for name in group.names}
    if fixed := [name for name in sizes if name not in learning]:
        rows.append(("fixed", "", *_contents(fixed, sizes)))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        f"{lr:<{widths[0]}}  {decay:<{widths[1]}}  {count:>{widths[2]}}  {layers}"
        for lr, decay, count, layers in rows
    )


def _contents(names: Sequence[str], sizes: Mapping[str, int]) -> tuple[str, str]:
    """Number of the parameters with these names, and what they are of which layers."""
    kinds_of: dict[str, list[str]] = {}
    for kind in dict.fromkeys(name.rpartition(".")[2] for name in names):
        every = [_layer(name) for name in sizes if name.endswith(f".{kind}")]
        mine = {_layer(name) for name in names if name.endswith(f".{kind}")}
        kinds_of.setdefault(_runs(every, mine), []).append(PLURALS.get(kind, kind))
    text = "; ".join(f"{' and '.join(kinds)} of {layers}" for layers, kinds in kinds_of.items())
    return f"{sum(sizes[name] for name in names):,}", text


def _runs(layers: list[str], selected: set[str]) -> str:
    """The selected layers, in which three and more neighbors become "first to last"."""
    runs = [list(run) for chosen, run in groupby(layers, selected.__contains__) if chosen]
    return ", ".join(f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(run) for run in runs)


def _of_layers(prefixes: tuple[str, ...], names: list[str], key: str) -> set[str]:
    """The parameters of all layers with these prefixes: `backbone.conv1_1.weight` of "conv1_"."""
    paths = {name: name.rpartition(".")[0] for name in names}
    found: set[str] = set()
    for prefix in prefixes:
        matches = {name for name, path in paths.items() if f".{prefix}" in f".{path}"}
        if not prefix or not matches:
            layers = dict.fromkeys(_layer(name) for name in names)
            raise ValueError(
                f"`{key}` must list prefixes of layer names ({', '.join(layers)}); got '{prefix}'."
            )
        found |= matches
    return found


def _layer(name: str) -> str:
    """`backbone.conv1_1.weight` -> `conv1_1`; `head.score_fr.bias` -> `score_fr`."""
    layer = name.rpartition(".")[0]
    return layer.rpartition("backbone." if "backbone." in layer else ".")[2]


def configure(network: nn.Module, recipe: Recipe) -> tuple[Optimizer, LambdaLR]:
    """Make the optimizer of a recipe, and the learning rate schedule over its steps.

    At a fixed rate, SGD computes the same steps as Caffe's solver:
    v = momentum v + lr (g + decay w), w = w - v. On a CPU it is fused into one pass over memory,
    which takes a seventh of the time and no copy of the gradients. With `clip` it is not: in mixed
    precision, Lightning refuses to clip the gradients of a fused optimizer.
    """
    groups = parameter_groups(network, recipe)
    optimizer: Optimizer
    if recipe.optimizer == "sgd":
        fused = recipe.clip is None and all(p.device.type == "cpu" for p in network.parameters())
        optimizer = SGD(groups, lr=recipe.lr, momentum=recipe.momentum, fused=fused or None)
    else:
        optimizer = AdamW(groups, lr=recipe.lr, betas=(recipe.momentum, 0.999))

    def factor(step: int) -> float:
        rise = min(1.0, (step + 1) / (recipe.warmup + 1))
        fall = 1 - step / recipe.max_steps if recipe.schedule == "linear" else 1.0
        return rise * fall

    return optimizer, LambdaLR(optimizer, factor)


def _either(sizes: list[int]) -> str:
    return " or ".join(", ".join(map(str, sizes)).rsplit(", ", 1))
