"""`fcn-train key=value ...`: train and score one run, or a sweep of runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import cast

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from fcn_lightning.cli.errors import reported
from fcn_lightning.cli.streams import escape_unprintable
from fcn_lightning.launch import JobsFailedError
from fcn_lightning.runs.compose import conf_dir
from fcn_lightning.runs.keys import refuse_hydras_own
from fcn_lightning.runs.processes import end_with_parent, is_first_process

OTHER_WORDS = {
    "--traceback": "traceback=true",
    "logger=null": "~logger",
    "callbacks=null": "~callbacks",
}
"""Arguments that users type, in Hydra's syntax."""


@hydra.main(config_path=str(conf_dir()), config_name="train", version_base="1.3")
def _main(config: DictConfig) -> float | None:
    with reported(config.traceback):
        return train_one(config, cast(DictConfig, HydraConfig.get()))


def train_one(config: DictConfig, hydra_config: DictConfig) -> float | None:
    """Train the run of a composed config and return its mean IU, for searches.

    Raises:
        ValueError: A value does not fit, or the launcher cannot run the job.
    """
    from fcn_lightning.runs.folder import check_run  # after parsing: these take seconds
    from fcn_lightning.runs.run import read_run
    from fcn_lightning.runs.train import train

    run, in_sweep = read_run(config, hydra_config), hydra_config.mode == RunMode.MULTIRUN
    if is_first_process():
        check_run(run, may_start=in_sweep)
    if in_sweep and run.needs.num_processes > 1:
        raise ValueError(
            "hydra/launcher="
            f"{hydra_config.runtime.choices['hydra/launcher']} runs only jobs of one process. Use "
            "hydra/launcher=local or slurm for jobs of several processes."
        )
    record = train(run, group=Path(hydra_config.sweep.dir).name if in_sweep else None)
    return record.scores["mean_iu"]


def main() -> None:
    """Run the command."""
    end_with_parent()
    escape_unprintable()
    sys.argv[1:] = [OTHER_WORDS.get(argument, argument) for argument in sys.argv[1:]]
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # errors reach `reported` as they are
    with reported("traceback=true" in sys.argv):
        if is_first_process():  # Lightning starts the others, with a `hydra.run.dir` of its own
            refuse_hydras_own(sys.argv[1:])
        try:
            _main()
        except JobsFailedError:  # the sweep has told which jobs, and why
            sys.exit(1)


if __name__ == "__main__":
    main()
