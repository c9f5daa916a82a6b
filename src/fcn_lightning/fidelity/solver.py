"""The solver of a training file, `meta`, and the recipe that it is."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from torch import nn

from fcn_lightning.fidelity.cases import Case
from fcn_lightning.fidelity.files import misfit
from fcn_lightning.fidelity.reference import Model
from fcn_lightning.optim import Recipe


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Solver:
    """Caffe's values of a training run.

    `score` and `zero` say which layers start at zero: "zero" all scoring layers, and those listed.
    `up_lr` are the upscore layers that learn, with their multiplier of the rate. What the run was
    seeded with and its images' sizes change nothing here.
    """

    model: str
    base_lr: Annotated[float, Field(gt=0)]
    momentum: Annotated[float, Field(ge=0, lt=1)]
    weight_decay: Annotated[float, Field(ge=0)]
    tag: str = ""
    iter_size: Annotated[int, Field(ge=1)] = 1
    iters: Annotated[int, Field(ge=1)] = 10
    dropout: bool = False
    score: Literal["zero", "random"] = "random"
    zero: tuple[str, ...] = ()
    up_lr: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    seed: int | None = None
    sizes: tuple[tuple[int, int], ...] = ()

    def starts_at_zero(self, layer: str) -> bool:
        """Whether a layer's weights and biases are set to zero first."""
        return layer in self.zero or (self.score == "zero" and layer.startswith("score_"))

    def recipe(self, network: nn.Module, model: Model) -> Recipe:
        """The project's recipe of these values; upscore layers learn only where they are named."""
        layers = [name.split(".")[-2] for name, _ in network.named_parameters()]
        upscores = [name for name in layers if name.startswith("upscore")]
        return Recipe(
            loss=model.loss,
            optimizer="sgd",
            lr=self.base_lr,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            batch=self.iter_size,
            max_steps=self.iters,
            val_every=self.iters,
            rates=dict(self.up_lr),
            fixed=tuple(name for name in upscores if name not in self.up_lr),
            plain_biases=model.plain_biases,
        )


def solver_of(case: Case, meta: Any) -> Solver:
    """What `meta` says.

    Raises:
        ValueError: It is not JSON, or a value is missing, unknown or unfit.
    """
    try:
        solver = TypeAdapter(Solver).validate_python(json.loads(str(meta)))
    except ValidationError as error:
        first = error.errors()[0]
        where, why = ".".join(map(str, first["loc"])), first["msg"].lower()
        must = f"hold the solver's values in `meta` (`{where}`: {why})"
        raise misfit(case.path, must, first["input"]) from error
    except ValueError as error:
        raise misfit(case.path, "hold `meta` as JSON", error) from error
    if solver.model != case.model or solver.tag not in ("", case.tag):
        raise misfit(
            case.path, "be named after the model and tag in `meta`", f"{solver.model} {solver.tag}"
        )
    return solver
