"""Configs by Hydra's compose API, for the commands that Hydra does not start itself."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from fcn_lightning.runs import resolvers  # noqa: F401  registers the resolvers of conf/


def conf_dir() -> Path:
    """Return the folder of configs: the checkout's, or the one packed into the wheel."""
    checkout = Path(__file__).parents[3] / "conf"
    return checkout if checkout.is_dir() else Path(__file__).parents[1] / "conf"


def compose(overrides: Sequence[str], config_dir: Path | None = None) -> DictConfig:
    """Compose `conf/train.yaml` with these overrides, with Hydra's own node under `hydra`.

    Args:
        overrides: As typed after `fcn-train`: `key=value`.
        config_dir: A folder of configs that is searched first, as `--config-dir` of `fcn-train`.

    Raises:
        HydraException: An override does not parse, or names an unknown key or choice.
        ValueError: There is no such folder.
    """
    check_config_dir(config_dir)
    own = [f"hydra.searchpath=[{config_dir.absolute()}]"] if config_dir else []
    with initialize_config_dir(str(conf_dir()), version_base="1.3", job_name="fcn-train"):
        config = hydra_compose("train", [*own, *overrides], return_hydra_config=True)
    HydraConfig.instance().set_config(config)
    return config


def check_config_dir(config_dir: Path | None) -> None:
    """Refuse a folder of configs that does not exist.

    Raises:
        ValueError: It does not exist.
    """
    if config_dir is not None and not config_dir.is_dir():
        raise ValueError(
            f"The folder of configs {config_dir} does not exist. Name another with --config-dir."
        )


def missing_keys(config: DictConfig) -> set[str]:
    """Return the keys whose value must still be given, `???` in conf/, but for `classifier`.

    Only the first stage needs a classifier.

    Args:
        config: Without Hydra's own node.
    """
    return OmegaConf.missing_keys(config) - {"classifier"}


def without_hydra(config: DictConfig) -> DictConfig:
    """Return a copy of a config without Hydra's own node, to which keys may be added."""
    own: DictConfig = pickle.loads(pickle.dumps(config))  # faster than OmegaConf's copy
    OmegaConf.set_struct(own, False)
    own.pop("hydra", None)
    return own


def plain(node: Any) -> Any:
    """Return a node as plain values, interpolations resolved; other values as they are."""
    return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node
