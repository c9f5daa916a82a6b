"""The jobs of a sweep: all checked before the first one starts, and which waits for which."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from fcn_lightning.launch.job import Job
from fcn_lightning.runs.compose import conf_dir
from fcn_lightning.runs.devices import Needs, needs
from fcn_lightning.runs.folder import check_run
from fcn_lightning.runs.keys import refuse_hydras_own
from fcn_lightning.runs.record import is_complete
from fcn_lightning.runs.run import Run, read_run
from fcn_lightning.runs.start import Place, starting_points

OF_A_SWEEP = ("hydra/launcher", "hydra/sweeper", "hydra.launcher", "hydra.sweep", "hydra.mode")
"""Beginnings of the keys of Hydra that configure a sweep and not its jobs."""


def job_graph(
    configs: Sequence[DictConfig],
    arguments: Sequence[Sequence[str]],
    first: int = 0,
    needs_of: Callable[[DictConfig], Needs] = needs,
) -> list[Job]:
    """Describe and check jobs, and find those whose runs each one starts from.

    Args:
        configs: The config of each as Hydra composed it, with Hydra's node. Any order will do.
        arguments: For each, the arguments of `fcn-train` that compose the same config.
        first: The number of the first job.
        needs_of: Counts the devices of a trainer's config.

    Raises:
        ValueError: A run cannot start, two jobs are one run, or there is nothing to resume.
    """
    runs = [_read(config, needs_of) for config in configs]
    folders = [run.folder for run in runs]
    if twice := [folder for folder in folders if folders.count(folder) > 1]:
        raise ValueError(f"Two jobs of the sweep are the same run: {twice[0]}.")
    if first == 0 and all(run.settings.resume is True and not run.folder.is_dir() for run in runs):
        raise ValueError("Nothing to resume: no run of the sweep exists. Leave out resume=true.")
    jobs: dict[Path, Job] = {}
    for number, (config, run, own) in enumerate(zip(configs, runs, arguments), start=first):
        HydraConfig.instance().set_config(config)
        place = Place(Path(run.config.paths.runs), run.experiment, run.debug, run.settings.seed)
        suffix = run.variant.removeprefix(run.head)
        run = replace(run, start=starting_points(run.config, place, suffix, folders))
        check_run(run, tuple(folders), may_start=True)
        if run.settings.resume is True:  # a job may not have begun when the sweep was stopped
            own = [*(each for each in own if not each.startswith("resume=")), "resume=auto"]
        jobs[run.folder] = Job(number, run, tuple(own))
        if run.settings.resume and is_complete(run.folder):
            jobs[run.folder].finish("already complete")
    for folder, job in jobs.items():
        job.after = [
            jobs[path] for path in job.run.start.values() if path in jobs.keys() - {folder}
        ]
    return list(jobs.values())


def arguments_of(config: DictConfig, overrides: Sequence[str]) -> list[str]:
    """Return the arguments with which `fcn-train` composes the config of a sweep's job again."""
    hydra, options = config.hydra, []
    sources = {source.provider: source.path for source in hydra.runtime.config_sources}
    if "command-line" in sources:
        options += ["--config-dir", sources["command-line"]]
    if Path(sources["main"]) != conf_dir():
        options += ["--config-path", sources["main"]]
    if hydra.job.config_name != "train":
        options += ["--config-name", hydra.job.config_name]
    own = [each for each in hydra.overrides.hydra if not each.lstrip("+~").startswith(OF_A_SWEEP)]
    return [*options, *overrides, *own, "hydra.mode=RUN"]  # a config may say MULTIRUN, too


def _read(config: DictConfig, needs_of: Callable[[DictConfig], Needs]) -> Run:
    HydraConfig.instance().set_config(config)  # for interpolations of ${hydra:...}
    refuse_hydras_own(config.hydra.overrides.hydra)
    return read_run(config, config.hydra, needs_of=needs_of)
