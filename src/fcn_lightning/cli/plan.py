"""The jobs of a command, all checked before the first one starts, and which waits for which."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig

from fcn_lightning.cli.compose import Job, job, must_be_there
from fcn_lightning.cli.errors import InputError
from fcn_lightning.cli.folder import is_complete, must_be_writable, refuse_existing
from fcn_lightning.cli.trainer import Needs, needs


@dataclass(frozen=True)
class Planned:
    """A job, with what it runs on and the places in the plan of the jobs that it starts from."""

    overrides: tuple[str, ...]
    run: Job
    needs: Needs
    after: tuple[int, ...]


def split(overrides: Sequence[str]) -> list[list[str]]:
    """The jobs that a sweep's overrides stand for: `seed=0,1` is two."""
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    jobs: list[list[str]] = BasicSweeper.split_arguments(parsed, None)[0]
    return jobs


def plan(
    jobs: Sequence[Sequence[str]], needs_of: Callable[[DictConfig], Needs] = needs
) -> list[Planned]:
    """Checks jobs, and finds the stage from which each starts among the others, in any order.

    Args:
        jobs: The overrides of each.
        needs_of: What tells from a config what its job runs on.

    Raises:
        InputError: A key or value does not fit, two jobs are one run, a run is there already, or
            what a job starts from is neither there nor one of the jobs.
        ValueError: The same, from the part that uses it.
    """
    folders = [job(overrides).folder for overrides in jobs]
    planned = []
    for overrides, folder in zip(jobs, folders):
        run = job(overrides, coming=folders)
        if folders.count(folder) > 1:
            raise InputError(f"Each job of a sweep must be a run of its own; {folder} is of two.")
        before = [place for place in run.init_from.values() if place in folders]
        after = tuple(folders.index(place) for place in before if place != folder)
        own = needs_of(run.config)
        _check(run, own, [*before])
        planned.append(Planned(tuple(overrides), run, own, after))
    return planned


def _check(run: Job, own: Needs, coming: Sequence[object]) -> None:
    run.recipe.passes(own.num_processes)
    refuse_existing(run)
    must_be_writable(run.folder)
    if run.settings.resume and is_complete(run.folder):
        return
    for place in run.init_from.values():
        if place not in coming:
            must_be_there(place, run.config)
