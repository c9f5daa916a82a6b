"""The comparison with the reference: its own values beside ours.

`python -m fidelity FOLDER` compares every golden file of a folder. The README of the golden files
gives their names, keys and tolerances. `NAME.npz` beside a tree of images and labels has what the
reference's data layers make of them. A file that is not as the README says is a ValueError.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fidelity import single
from fidelity.cases import Case, GoldenError, cases_in
from fidelity.compare import Row
from fidelity.maps import check_maps, check_stats
from fidelity.networks import check_caffemodel, check_weights
from fidelity.readers import READERS, check_reader
from fidelity.trajectories import check_sequence, check_train

__all__ = ["Case", "Row", "cases_in", "check_case", "check_folder"]

CHECKS: dict[str, Callable[[Case, str], list[Row]]] = {
    "weights": check_weights,
    "forward": check_maps,
    "extra": check_maps,
    "stats": check_stats,
    "train": check_train,
    "caffemodel": check_caffemodel,
    "metrics": single.check_metrics,
    "bilinear_kernels": single.check_kernels,
    "palette21": single.check_palette,
    "random_order": single.check_order,
    "train_sequence": check_sequence,
    **dict.fromkeys(READERS, check_reader),
}


def check_folder(folder: Path) -> list[Row]:
    """The rows of all golden files of a folder, in the order of their names."""
    return [row for case in cases_in(folder) for row in check_case(case)]


def check_case(case: Case, device: str = "cpu") -> list[Row]:
    """The rows of one golden file, with its networks on a device."""
    try:
        rows = CHECKS[case.kind](case, device)
    except GoldenError:
        raise
    except Exception as error:  # whatever unfit values make torch, NumPy or the package raise
        raise case.misfit(f"cannot be compared ({error!r})") from error
    if unknown := set(case.values) - case.used:
        raise case.misfit(f"holds the unknown key `{min(unknown)}`")
    if not rows and case.kind != "train_sequence":
        raise case.misfit("holds nothing to compare")
    return rows
