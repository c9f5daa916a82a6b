"""`hydra/launcher=local` and `slurm`, whose settings are in conf/hydra/launcher/."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from fcn_lightning.launch import JobsFailedError

if TYPE_CHECKING:  # every command of Hydra's loads this file, --help too
    from fcn_lightning.launch.job import Job
    from fcn_lightning.launch.local import LocalSweep


class JobsLauncher(Launcher):
    """Composes each job of a sweep once, and gives it a process of its own."""

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        self.loader, self.config = hydra_context.config_loader, config

    def graph(self, job_overrides: Sequence[Sequence[str]], *how: Any) -> list[Job]:
        """Compose jobs and check all of them; `how` is passed on to `job_graph`."""
        from fcn_lightning.launch.graph import arguments_of, job_graph

        configs = [self.loader.load_sweep_config(self.config, list(own)) for own in job_overrides]
        arguments = [arguments_of(*job) for job in zip(configs, job_overrides)]
        try:
            return job_graph(configs, arguments, *how)
        except ValueError:
            self._remove_folder()
            raise

    def _remove_folder(self) -> None:
        """Remove what Hydra has written of a sweep that is refused: its config, `runs/sweeps/*`."""
        folder = Path(self.config.hydra.sweep.dir)
        if {path.name for path in folder.glob("*")} == {"multirun.yaml"}:
            (folder / "multirun.yaml").unlink()
            with suppress(OSError):  # other sweeps or runs are there
                for place in (folder, *folder.parents[:2]):
                    place.rmdir()


class LocalLauncher(JobsLauncher):
    """Runs jobs on the GPUs of this machine, and jobs that need none on `cpu_slots` slots."""

    def __init__(self, cpu_slots: int) -> None:
        self.cpu_slots = cpu_slots
        self.sweep: LocalSweep | None = None

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        from fcn_lightning.launch.local import LocalSweep, Slots
        from fcn_lightning.runs.devices import visible_gpus

        jobs = self.graph(job_overrides, initial_job_idx)
        if self.sweep is None:
            slots = Slots(visible_gpus(), self.cpu_slots)
            self.sweep = LocalSweep(Path(self.config.hydra.sweep.dir), slots)
        self.sweep.run(jobs)
        return [done(job.mean_iu) if job.state == "done" else Failed() for job in jobs]


class SlurmLauncher(JobsLauncher):
    """Submits jobs with sbatch, whose options are `options`, and does not wait for them."""

    def __init__(self, options: DictConfig) -> None:
        self.options = {str(name): options[name] for name in options}
        self.jobs: list[Job] = []

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        from fcn_lightning.launch.slurm import submit
        from fcn_lightning.runs.devices import declared_needs

        if not self.config.hydra.sweeper._target_.endswith(".BasicSweeper"):
            raise ValueError(
                "A search waits for its jobs, and hydra/launcher=slurm does not. Use "
                "hydra/launcher=local."
            )
        self.jobs += self.graph(job_overrides, initial_job_idx, declared_needs)
        submit(self.jobs, Path(self.config.hydra.sweep.dir), self.options)
        return [done(None) for _ in job_overrides]


class Failed(JobReturn):
    """The result of a job that is not done, for which a sweeper gets an exception."""

    @property  # type: ignore[misc]
    def return_value(self) -> Any:
        raise JobsFailedError


def done(value: float | None) -> JobReturn:
    """Return the result of a job, which a search maximizes."""
    return JobReturn(status=JobStatus.COMPLETED, _return_value=value)
