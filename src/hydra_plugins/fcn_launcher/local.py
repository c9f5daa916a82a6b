"""`hydra/launcher=local`: a sweep's jobs side by side on this machine's devices."""

# Annotations are not postponed: Hydra loads this file in a way in which dataclasses cannot resolve
# them.

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import CompactHydraException
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

if TYPE_CHECKING:
    from fcn_lightning.cli.sweep import JobOfSweep, Sweep


@dataclass
class LocalConfig:
    """What users can set: how many jobs on CPUs run side by side."""

    _target_: str = "hydra_plugins.fcn_launcher.local.LocalLauncher"
    cpu_slots: int = 1


ConfigStore.instance().store(group="hydra/launcher", name="local", node=LocalConfig)


class LocalLauncher(Launcher):
    """Runs jobs that need GPUs on as many as there are, and others on `cpu_slots` places."""

    def __init__(self, cpu_slots: int) -> None:
        self.cpu_slots = cpu_slots
        self._sweep: "Sweep | None" = None

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        self.config = config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        # Every command of Hydra's loads this file, and few of them launch.
        from fcn_lightning.cli.errors import reported
        from fcn_lightning.cli.plan import plan
        from fcn_lightning.cli.sweep import Slots, Sweep, visible_gpus

        with reported(debug="debug=true" in job_overrides[0]):
            planned = plan(job_overrides)
            if self._sweep is None:
                slots = Slots(visible_gpus(), self.cpu_slots)
                self._sweep = Sweep(Path(self.config.hydra.sweep.dir), slots)
            jobs = self._sweep.run(planned)
        return [_returned(job) for job in jobs]


def _returned(job: "JobOfSweep") -> JobReturn:
    """What a sweeper sees of a job: its mean IU, or an exception."""
    overrides = list(job.planned.overrides)
    if job.state == "done":
        return JobReturn(overrides, status=JobStatus.COMPLETED, _return_value=job.mean_iu)
    error = CompactHydraException(f"{job.name}: {job.state}, {job.why}")
    return JobReturn(overrides, status=JobStatus.FAILED, _return_value=error)
