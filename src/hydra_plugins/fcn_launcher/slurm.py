"""`hydra/launcher=slurm`: a sweep's jobs in the queue of a cluster."""

# Annotations are not postponed: Hydra loads this file in a way in which dataclasses cannot resolve
# them.

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@dataclass
class SlurmConfig:
    """What users can set: sbatch's own options by their long names, such as `partition`."""

    _target_: str = "hydra_plugins.fcn_launcher.slurm.SlurmLauncher"
    options: dict[str, Any] = field(default_factory=dict)


ConfigStore.instance().store(group="hydra/launcher", name="slurm", node=SlurmConfig)


class SlurmLauncher(Launcher):
    """Submits each job, a stage after the one before it, and returns without waiting for them."""

    def __init__(self, options: DictConfig) -> None:
        self.options = {str(name): options[name] for name in options}

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        self.config = config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        from fcn_lightning.cli.errors import InputError, reported
        from fcn_lightning.cli.plan import plan
        from fcn_lightning.cli.slurm import declared_needs, submit

        folder = Path(self.config.hydra.sweep.dir)
        with reported(debug="debug=true" in job_overrides[0]):
            if not self.config.hydra.sweeper._target_.endswith(".BasicSweeper"):
                raise InputError("A search must wait for its jobs; use hydra/launcher=local.")
            planned = plan(job_overrides, declared_needs)
            ids = submit(planned, folder, initial_job_idx, self.options)
        for place, job in ids.items():
            before = [ids[other] for other in planned[place].after if other in ids]
            after = f", after {', '.join(before)}" if before else ""
            name = planned[place].run.name
            sys.stderr.write(f"#{initial_job_idx + place} {name}: SLURM job {job}{after}\n")
        sys.stderr.write(f"{len(ids)} of {len(planned)} jobs submitted, see {folder}\n")
        return [
            JobReturn(list(job.overrides), status=JobStatus.COMPLETED, _return_value=None)
            for job in planned
        ]
