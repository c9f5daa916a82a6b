"""The solver of a training file, and its recipe."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ValidationError
from torch import nn

from fcn_lightning.optim import Positive, Rate, Recipe
from fidelity.cases import Case
from fidelity.reference import MODELS


class Solver(BaseModel, extra="forbid"):
    """Caffe's values of a training run, from `meta`.

    Layers in `zero` start at zero, and all scoring layers where `score` is "zero". `up_lr` holds
    the upscore layers that learn, with the multiplier of their rate. Nothing reads `seed` and
    `sizes`.
    """

    model: str
    base_lr: Rate
    momentum: float
    weight_decay: float
    tag: str = ""
    iter_size: Positive = 1
    iters: Positive = 10
    dropout: bool = False
    score: Literal["zero", "random"] = "random"
    zero: tuple[str, ...] = ()
    up_lr: dict[str, Rate] = {}
    seed: int | None = None
    sizes: tuple[tuple[int, int], ...] = ()

    def recipe(self, network: nn.Module) -> Recipe:
        """The project's recipe of these values."""
        model = MODELS[self.model]
        layers = {path.split(".")[-2] for path, _ in network.named_parameters()}
        return Recipe(
            loss=model.loss,
            optimizer="sgd",
            lr=self.base_lr,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            batch=self.iter_size,
            max_steps=self.iters,
            val_every=self.iters,
            rates=self.up_lr,
            fixed=tuple(n for n in layers - set(self.up_lr) if n.startswith("upscore")),
            # AlexNet's layers have no multipliers in Caffe: biases learn as weights do.
            plain_biases=("conv", "fc") if model.backbone == "caffenet" else (),
        )


def solver_of(case: Case) -> Solver:
    """The solver of a training file."""
    try:
        solver = Solver.model_validate_json(str(case["meta"]))
    except ValidationError as error:
        wrong = error.errors()[0]
        name, why = ".".join(map(str, wrong["loc"])), f"{wrong['msg']}; got {wrong['input']}"
        raise case.misfit(f"holds no solver in `meta` (`{name}`: {why})") from error
    if solver.model != case.model or solver.tag not in ("", case.tag):
        raise case.misfit(f"holds the solver of {solver.model} {solver.tag} in `meta`")
    return solver
