"""The configuration that the runs of some overrides have in common."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from fcn_lightning.labels import by_name
from fcn_lightning.runs.compose import compose, without_hydra


class Expected:
    """A composed configuration whose seed, folders and free keys are filled in later.

    Values that follow from them, such as `classifier: ${paths.runs}/.../seed${seed}`, follow.

    Attributes:
        experiment: The choice of the `experiment` group.
        head: The choice of the `head` group.
        stage: The name of the stage that it trains.
        max_steps: Its optimizer steps.
        before: The stage that it starts from, or None where it starts from none.
    """

    def __init__(self, composed: DictConfig) -> None:
        self._composed = composed
        HydraConfig.instance().set_config(composed)
        self._hydra = HydraConfig.instance().cfg
        choices = self._composed.hydra.runtime.choices
        self.experiment: str | None = choices.experiment
        self.head: str = choices.head
        self.stage: str = self._composed.stage.name
        self.max_steps: int = self._composed.recipe.max_steps
        self._resolved: dict[str, dict[str, Any]] = {}
        follows = self._composed.init_from == "default"
        self.before: str | None = self._composed.stage.before if follows else None

    @property
    def classifiers(self) -> set[tuple[str, str]]:
        """The experiment and variant of each run that is named as `classifier`."""
        if OmegaConf.is_missing(self._composed, "classifier"):
            return set()
        given = self.with_values({})["classifier"]
        paths = [Path(path) for path in by_name(given).values() if path]
        return {(path.parts[-3], path.parts[-2]) for path in paths if len(path.parts) >= 3}

    def with_values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the configuration as plain values, with some keys set before it is resolved."""
        kept = repr(sorted(values.items()))
        if kept not in self._resolved:
            self._resolved[kept] = self._resolve(values)
        return self._resolved[kept]

    def _resolve(self, values: Mapping[str, Any]) -> dict[str, Any]:
        config = without_hydra(self._composed)
        for key, value in values.items():
            OmegaConf.update(config, key, value, merge=False)
        HydraConfig.instance().cfg = self._hydra  # for the interpolations ${hydra:...}
        plain: dict[str, Any] = OmegaConf.to_container(config, resolve=True)  # type: ignore[assignment]
        return plain


@functools.cache
def expected(*overrides: str, config_dir: Path | None = None) -> Expected:
    """Compose the configuration of some overrides, once in a process."""
    return Expected(compose(overrides, config_dir))
