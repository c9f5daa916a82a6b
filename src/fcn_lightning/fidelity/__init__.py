"""Fidelity: the reference's own values, and how far ours are from them.

`check_folder` compares everything that a folder of golden files holds; the files' names, keys and
tolerances are those of their README.
"""

from __future__ import annotations

from pathlib import Path

from fcn_lightning.fidelity import single
from fcn_lightning.fidelity.caffemodels import check_caffemodel
from fcn_lightning.fidelity.cases import Case, cases_in
from fcn_lightning.fidelity.compare import Row
from fcn_lightning.fidelity.files import misfit
from fcn_lightning.fidelity.forward import check_extra, check_forward
from fcn_lightning.fidelity.networks import check_weights
from fcn_lightning.fidelity.passes import samples_of
from fcn_lightning.fidelity.stats import check_stats
from fcn_lightning.fidelity.trajectories import check_train

__all__ = ["Case", "Row", "cases_in", "check_case", "check_folder"]

SINGLE = {
    "metrics.npz": single.check_metrics,
    "bilinear_kernels.npz": single.check_kernels,
    "palette21.npy": single.check_palette,
    "random_order.json": single.check_order,
}


def check_folder(folder: Path) -> list[Row]:
    """All rows of a folder's golden files, in the order of their names.

    Raises:
        ValueError: A file is not as the README says, or one that another needs is missing.
    """
    cases = cases_in(folder)
    return [row for case in cases for row in check_case(case, cases)]


def check_case(case: Case, cases: list[Case], device: str = "cpu") -> list[Row]:
    """The rows of one of a folder's files, with its networks on a device.

    Raises:
        ValueError: As `check_folder`.
    """
    try:
        rows = _rows(case, cases, device)
    except (TypeError, IndexError, KeyError, AttributeError, RuntimeError) as error:
        raise misfit(case.path, "hold values of the kinds that its README names", error) from error
    if case.kind in SINGLE and any(row.what.startswith("0 ") for row in rows):
        raise misfit(case.path, "hold at least one value of each kind", "none")
    return rows


def _rows(case: Case, cases: list[Case], device: str) -> list[Row]:
    if case.kind in SINGLE:
        return SINGLE[case.kind](case)
    if case.kind == "train_sequence.npz":
        samples_of(case)
        return []
    if case.kind == "extra":
        return check_extra(case, device)
    if case.kind == "weights":
        return check_weights(case)
    weights = _beside(case, cases, f"weights_{_network(case)}.npz")
    if case.kind == "caffemodel":
        return check_caffemodel(case, weights)
    if case.kind == "train":
        return check_train(case, weights, _beside(case, cases, "train_sequence.npz"), device)
    if case.kind == "forward":
        return check_forward(case, weights, device)
    same = [other for other in cases if other.kind == "forward"]
    return check_stats(case, weights, [o for o in same if _network(o) == _network(case)], device)


def _network(case: Case) -> str:
    """The network as files' names have it; a trajectory's tag is not its network's."""
    tag = "" if case.kind == "train" else case.tag
    return f"{case.model}_narrow_{tag}" if tag else f"{case.model}_narrow"


def _beside(case: Case, cases: list[Case], name: str) -> Case:
    for other in cases:
        if other.path.name == name:
            return other
    raise ValueError(
        f"`{case.path.name}` must have `{name}` beside it; its folder has none. Copy it there too."
    )
