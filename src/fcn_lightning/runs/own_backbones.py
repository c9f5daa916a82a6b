"""Backbones from outside the package: their configs name a function that builds them.

A checkpoint holds a backbone's name and arguments, and never what to import. Commands that read
checkpoints find the function in the config of that name, below `--config-dir`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import get_method
from omegaconf import DictConfig

from fcn_lightning.models.backbones import BACKBONES
from fcn_lightning.runs.compose import check_config_dir, plain
from fcn_lightning.text_files import read_yaml


def description_of(node: DictConfig) -> dict[str, Any]:
    """Return a backbone's name and arguments; one of one's own becomes known by its name.

    Raises:
        ValueError: It has no name, that of another backbone, or its function cannot be imported.
    """
    values: dict[str, Any] = plain(node)
    if "_target_" in values:
        _register(values.get("name"), values.pop("_target_"))
    return values


def register_all(config_dir: Path | None) -> None:
    """Make the backbones known whose configs are below a folder of configs of one's own.

    Raises:
        ValueError: There is no such folder, or one of them has no name, or its function cannot be
            imported.
    """
    check_config_dir(config_dir)
    for path in sorted((config_dir / "backbone").glob("*.yaml")) if config_dir else ():
        values = read_yaml(path)
        if isinstance(values, dict) and "_target_" in values:
            _register(values.get("name"), values["_target_"])


def _register(name: Any, target: str) -> None:
    if not isinstance(name, str):
        raise ValueError(f"The backbone {target} has no `name`. Add `name: NAME` to its config.")
    known = BACKBONES.get(name)
    try:
        found = get_method(target)
    except (InstantiationException, ImportError, ValueError) as error:
        raise ValueError(
            f"The backbone {name} cannot be imported from {target}: {_cause(error)}. Put its "
            "folder on PYTHONPATH."
        ) from error
    if known is not None and getattr(known, "__module__", "").startswith("fcn_lightning."):
        raise ValueError(f"The backbone {target} has the name of another one: {name}. Rename it.")
    BACKBONES[name] = found


def _cause(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split())
