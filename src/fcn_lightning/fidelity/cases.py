"""The files of a golden folder, by their names.

Source: the README of the golden files.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from fcn_lightning.fidelity.reference import MODELS

NAME = re.compile(
    r"(?P<kind>[a-z]+)_(?P<model>[^_]+)_narrow(_(?!\d+x)(?P<tag>[^_]+))?"
    r"(_(?P<size>\d+x\d+))?(?P<end>\.npz|\.json)"
)
TRAIN = re.compile(r"(?P<kind>train)_(?P<model>[^_]+)_(?P<tag>[^_]+)(?P<end>\.npz)")
CAFFEMODEL = re.compile(r"(?P<model>[^_]+)_narrow(_(?P<tag>[^_]+))?(?P<end>\.caffemodel\.gz)")

ENDS = {"weights": ".npz", "forward": ".npz", "stats": ".json", "extra": ".npz", "train": ".npz"}
"""The kinds of files that are of a model, and what their names end in."""

SINGLE = (
    "metrics.npz",
    "bilinear_kernels.npz",
    "palette21.npy",
    "random_order.json",
    "train_sequence.npz",
)

NO_VALUES = ("README.md", "__pycache__", "make.py", "nets.py", "draws.py", "caffe.py")
"""What may stand beside them: their README, and the scripts of the project's own values."""

FORMS = (
    "KIND_MODEL_narrow[_TAG][_HxW].npz or .json with the kinds weights, forward, extra (.npz) and "
    "stats (.json); train_MODEL_TAG.npz; MODEL_narrow[_TAG].caffemodel.gz; " + ", ".join(SINGLE)
)


@dataclass(frozen=True)
class Case:
    """A file of golden values: its kind, and whose values they are.

    `tag` names other weights of the same model, or a trajectory; `size` is (h, w).
    """

    path: Path
    kind: str
    model: str = ""
    tag: str = ""
    size: tuple[int, int] | None = None

    @property
    def title(self) -> str:
        """As the table calls it: `voc-fcn8s randdeconv 97x131`."""
        size = f"{self.size[0]}x{self.size[1]}" if self.size else ""
        return " ".join(part for part in (self.model, self.tag, size) if part)


def case_of(path: Path) -> Case:
    """What the name of a file says.

    Raises:
        ValueError: No file of golden values is named so.
    """
    if path.name in SINGLE:
        return Case(path, path.name)
    forms = (TRAIN, NAME, CAFFEMODEL)
    match = next((match for form in forms if (match := form.fullmatch(path.name))), None)
    if match is None:
        raise _misnamed(path, "")
    found = match.groupdict(default="")
    kind, model, size = found.get("kind", "caffemodel"), found["model"], found.get("size")
    if kind != "caffemodel" and (
        ENDS.get(kind) != found["end"] or (kind == "train") != (match.re is TRAIN)
    ):
        raise _misnamed(path, f" of the kind `{kind}`")
    if kind == "weights" and size:
        raise _misnamed(path, ", weights of a size")
    if model not in MODELS:
        raise ValueError(
            f"`{path.name}` must be of one of the models {', '.join(MODELS)}; got `{model}`. "
            "Name it as the reference's folder is named."
        )
    h, w = map(int, size.split("x")) if size else (0, 0)
    return Case(path, kind, model, found["tag"], (h, w) if size else None)


def cases_in(folder: Path) -> list[Case]:
    """All files of a folder but its README.md and the scripts that made the project's own.

    Raises:
        ValueError: The folder is none, holds no values, or something that is neither.
    """
    if not folder.is_dir():
        raise ValueError(
            f"The golden values must be in a folder; `{folder}` is none. Name the folder that "
            "holds them."
        )
    paths = [path for path in sorted(folder.iterdir()) if path.name not in NO_VALUES]
    if not paths:
        raise ValueError(
            f"A folder of golden values must hold at least one; `{folder}` holds none. Name the "
            "folder that holds them."
        )
    return [case_of(path) for path in paths]


def _misnamed(path: Path, what: str) -> ValueError:
    return ValueError(
        f"A file of golden values must be named {FORMS}; got `{path.name}`{what}. Rename it, or "
        "take it out of the folder."
    )
