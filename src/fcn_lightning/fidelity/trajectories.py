"""Trajectories: losses, first gradients, final weights and their changes after some updates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from fcn_lightning.fidelity.cases import Case
from fcn_lightning.fidelity.compare import (
    CHANGE,
    GRADIENT,
    LOSS,
    WEIGHT,
    Array,
    Comparison,
    Row,
    largest,
)
from fcn_lightning.fidelity.files import check_keys, misfit, read
from fcn_lightning.fidelity.networks import network_of, without_normalization
from fcn_lightning.fidelity.passes import masks_of, own_samples, samples_of
from fcn_lightning.fidelity.reference import MODELS
from fcn_lightning.fidelity.rounding import ROUNDINGS
from fcn_lightning.fidelity.solver import Solver, solver_of
from fcn_lightning.fidelity.training import Trajectory, train

KEYS = {
    "loss_micro": "loss_micro",
    "grad0/LAYER.weight": r"grad0/.+\.(weight|bias)",
    "final/LAYER.weight": r"final/.+\.(weight|bias)",
    "mask<i>/fc6": r"mask(shape)?\d+/(fc6|fc7)",
    "in<i>/NAME": r"in\d+/[a-z]+",
}


def check_train(case: Case, weights: Case, sequence: Case, device: str = "cpu") -> list[Row]:
    """The losses, the first gradients, the final weights and their changes.

    A trajectory of a large rate is chaotic: rounding alone decides which side of a ReLU or which of
    two nearly equal pixels of a pool it takes. So it is run as Caffe rounds, and where that leaves
    it, as others round; an update that is wrong is wrong in all of them.

    Images are those of the sequence, or the file's own, `in<i>/NAME`, as extra files hold theirs.

    Raises:
        ValueError: A file is not as its README says, or the weights are of another network.
    """
    golden, model = read(case.path), MODELS[case.model]
    check_keys(case.path, golden, ("meta", "loss"), KEYS)
    if model.heads:
        raise misfit(case.path, "be of a network of one score", case.model)
    own_images = len(model.inputs) > 1 or any(key.startswith("in") for key in golden)
    solver = solver_of(case, golden["meta"])
    masks = masks_of(case, golden, solver)
    start = {
        name: np.zeros_like(value) if solver.starts_at_zero(name.rpartition(".")[0]) else value
        for name, value in read(weights.path).items()
    }
    tried: list[list[Row]] = []
    for name, rounding in ROUNDINGS.items():
        network = network_of(case.model, start, weights.path, dense=bool(solver.up_lr))
        num_classes = network.description["num_classes"]
        with rounding(network):
            if own_images:
                without_normalization(network)
                dtype = next(network.parameters()).dtype
                samples = own_samples(case, golden, model, num_classes, dtype)
            else:
                samples = samples_of(sequence, num_classes)
            run = train(network.to(device), model, solver, samples, masks)
        run.start |= {key: torch.from_numpy(value) for key, value in start.items()}
        title = f"{case.title}, rounded {name}" if name else case.title
        losses = _losses(title, case, golden, solver, run.losses)
        tried.append([losses, *_parameters(title, case, golden, run)])
        if all(row.ok for row in tried[-1]):
            return tried[-1]
    return tried[0]


def _parameters(title: str, case: Case, golden: Mapping[str, Any], run: Trajectory) -> list[Row]:
    """First gradients, final weights, and changes that are larger than their tolerance."""
    gradients, finals = _group(case, golden, "grad0", run), _group(case, golden, "final", run)
    rows = []
    if gradients:
        comparison = Comparison(title, GRADIENT)
        for name, value in gradients.items():
            ours = run.first_gradient.get(name, torch.zeros(value.shape))
            comparison.add(name, ours, value, unit=largest(value))
        rows.append(comparison.row("{} first gradients, of a layer's largest"))
    weights, changes = Comparison(title, WEIGHT), Comparison(title, CHANGE)
    for name, value in finals.items():
        ours, start = run.final.get(name, run.start[name]), run.start[name].numpy()
        weights.add(name, ours, value, unit=largest(value))
        if value.shape != start.shape:
            continue
        change = value - start
        if largest(change) > WEIGHT * largest(value):
            changes.add(name, ours.numpy() - start, change, unit=largest(change))
    rows.append(weights.row("{} final weights, of a layer's largest"))
    rest = weights.count - changes.count
    what = "{} changes, of a layer's largest" + (f"; {rest} not distinguishable" if rest else "")
    return [*rows, changes.row(what)]


def _group(case: Case, golden: Mapping[str, Any], group: str, run: Trajectory) -> dict[str, Array]:
    """The values of `grad0/` or `final/`: of all that learns, and perhaps of what does not."""
    values = {
        key.removeprefix(f"{group}/"): value
        for key, value in golden.items()
        if key.startswith(f"{group}/")
    }
    if group == "grad0" and not values and "mask0/fc6" in golden:
        return {}
    if missing := run.learned - set(values):
        raise misfit(
            case.path, f"hold {group}/LAYER of each layer that learns", f"none of {min(missing)}"
        )
    if unknown := set(values) - set(run.start):
        raise misfit(case.path, f"hold {group}/LAYER of its network's layers", min(unknown))
    return values


def _losses(
    title: str, case: Case, golden: Mapping[str, Any], solver: Solver, ours: Sequence[float]
) -> Row:
    """The loss of each update, the mean of its images' losses, which may be there too."""
    comparison = Comparison(title, LOSS)
    micro = np.reshape(ours, (solver.iters, solver.iter_size))
    losses = {"loss": micro.mean(1), "loss_micro": micro}
    for key in ("loss", "loss_micro"):
        if key not in golden:
            continue
        if golden[key].shape != losses[key].shape:
            raise misfit(case.path, f"hold `{key}` of {losses[key].shape}", golden[key].shape)
        for place, value in np.ndenumerate(golden[key]):
            name = f"{key} of update {place[0] + 1}"
            comparison.add(name, losses[key][place], value, unit=abs(float(value)))
    return comparison.row(f"{solver.iters} updates' losses, relative")
