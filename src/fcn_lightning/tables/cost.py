"""The cost of a table's runs: steps, and hours estimated from timed steps on this machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fcn_lightning.runs.compose import compose, missing_keys, plain, without_hydra
from fcn_lightning.runs.estimate import Estimate
from fcn_lightning.runs.run import Run, read_run
from fcn_lightning.runs.timing import images_of, step_seconds
from fcn_lightning.tables.criterion import stages_of
from fcn_lightning.tables.definitions import Stage, Table

STARTUP = 10.0
"""Seconds until a run's first step, about."""


@dataclass(frozen=True)
class Cost:
    """The steps and the estimated seconds of all runs of one seed."""

    steps: int
    seconds: float


class Costs:
    """Estimates what tables cost; one network of each backbone, crop and batch is timed.

    Where a data set is not on disk, images count as VOC's: 375 x 500 pixels, 1,000 scored.

    Args:
        config_dir: A folder of the user's configs.
        tell: Is given a line before each network is timed.
    """

    def __init__(self, config_dir: Path | None, tell: Callable[[str], None]) -> None:
        self._config_dir = config_dir
        self._tell = tell
        self._timed: dict[str, tuple[float, float]] = {}

    def of(self, table: Table, data: str) -> Cost:
        """Estimate the runs of one seed of a table, the stages before its rows included.

        Raises:
            ValueError: The table cannot be run on the data.
        """
        estimates = [self._estimate(self._run(stage)) for stage in stages_of(table, data)]
        steps = sum(each.max_steps for each in estimates)
        return Cost(steps, sum(each.seconds for each in estimates))

    def _run(self, stage: Stage) -> Run:
        """Read a stage's run as one that starts from nothing."""
        from_nothing = ["init_from=null", "classifier=null"]
        overrides = [f"experiment={stage.experiment}", *stage.overrides, *from_nothing]
        config = compose(overrides, self._config_dir)
        if missing := missing_keys(without_hydra(config)):  # such as the folder of the data
            config = compose([*overrides, *(f"{key}=." for key in missing)], self._config_dir)
        return read_run(config, config.hydra)

    def _estimate(self, run: Run) -> Estimate:
        images = images_of(run)
        timed = {
            "backbone": plain(run.config.backbone),
            "fusion": run.config.fusion,
            "size": run.augment.crop or images.size,
            "per_pass": run.recipe.passes(run.needs.num_processes)[0],
            "precision": (run.config.trainer.precision, run.settings.matmul_precision),
        }
        num_passes = run.recipe.passes(run.needs.num_processes)[1]
        if (key := repr(timed)) not in self._timed:
            self._tell(f"Timing a step of {run.config.backbone.name} at {timed['size']}.")
            step, image = step_seconds(run, images)
            self._timed[key] = step / num_passes, image
        a_pass, image = self._timed[key]
        scoring = image * images.num_scored / run.needs.num_processes
        return Estimate(
            STARTUP, num_passes * a_pass, scoring, run.recipe.max_steps, run.recipe.val_every
        )
