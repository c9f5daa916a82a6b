"""The runs of a table: those that count already, and those that are left to train."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fcn_lightning.runs.compose import compose
from fcn_lightning.runs.record import RecordError, is_complete, read_record
from fcn_lightning.runs.run import Run, read_run
from fcn_lightning.tables.criterion import Criterion, criteria, shortened, stages_of
from fcn_lightning.tables.definitions import Data, Stage, Table
from fcn_lightning.tables.records import Finished, Records


@dataclass(frozen=True)
class Wanted:
    """The runs of a table that are wanted, and their folder.

    Attributes:
        rows: The ids of the wanted rows; empty for all.
        overrides: Added to every run.
        force: Train the runs that count, too.
        config_dir: A folder of configs that is searched first.
    """

    table: Table
    data: str
    seeds: Sequence[int]
    runs: Path = Path("runs")
    overrides: Sequence[str] = ()
    force: bool = False
    config_dir: Path | None = None
    rows: Sequence[str] = ()

    def __post_init__(self) -> None:
        known = [row.id for row in self.table.rows if self.table.columns_of(row, self.data)]
        if unknown := [row for row in self.rows if row not in known]:
            raise ValueError(
                f"{self.table.id} on {self.data} has no row {', '.join(unknown)} of ours. "
                f"Choose from {', '.join(known)}."
            )

    @property
    def at(self) -> Data:
        """The table's entry for the data set."""
        return self.table.on(self.data)

    @property
    def replaces(self) -> bool:
        """Replace folders that exist."""
        return self.force or "overwrite=true" in self.overrides


@dataclass(frozen=True, eq=False)
class Planned:
    """One run of a table.

    Attributes:
        overrides: As typed after `fcn-train`.
        config: As composed, with Hydra's node.
        is_wanted: Whether it is a row that was asked for.
        counting: The finished runs that count for it.
    """

    criterion: Criterion
    is_wanted: bool
    overrides: tuple[str, ...]
    config: Any
    run: Run
    counting: list[Finished]

    @property
    def counts_in_place(self) -> bool:
        """True if its own folder has a run that counts, from which others can start."""
        return any(each.folder == self.run.folder for each in self.counting)


def plan(wanted: Wanted, records: Records) -> list[Planned]:
    """Compose the runs of a table, seed by seed, stages before rows.

    Raises:
        ValueError: An override does not fit or changes a row, or the table has no such data.
    """
    stages, num_before = stages_of(wanted.table, wanted.data), len(wanted.at.before)
    found: list[Criterion] = []
    planned: list[Planned] = []
    for seed in wanted.seeds:
        overrides = [tuple(_overrides(wanted, stage, seed)) for stage in stages]
        configs = [compose(each, wanted.config_dir) for each in overrides]
        found = found or _criteria(wanted, configs)
        for i, (criterion, stage, config) in enumerate(zip(found, stages, configs)):
            is_wanted = i >= num_before and (not wanted.rows or stage.id in wanted.rows)
            try:
                run = read_run(config, config.hydra, [each.run.folder for each in planned])
                _refuse_changes(wanted, criterion, stage, seed, run)
            except ValueError:
                if is_wanted or not wanted.rows:
                    raise
                continue  # a row that starts from it is refused later if it is not finished
            counting = [
                each
                for each in records.of(stage.experiment)
                if each.record.seed == seed and _counts(criterion, each, run)
            ]
            planned.append(Planned(criterion, is_wanted, overrides[i], config, run, counting))
    return planned


def to_do(wanted: Wanted, planned: Sequence[Planned]) -> list[Planned]:
    """Return the rows for which no run counts, and what they start from where that is missing.

    Raises:
        ValueError: A folder holds a finished run that does not count.
    """
    if wanted.force:
        return [each for each in planned if each.is_wanted or not wanted.rows]
    by_folder = {each.run.folder: each for each in planned}
    missing = [each for each in planned if each.is_wanted and not each.counting]
    for each in missing:  # which grows meanwhile
        starts = [by_folder[path] for path in each.run.start.values() if path in by_folder]
        missing += [s for s in starts if s not in missing and not s.counts_in_place]
    for each in () if wanted.replaces else missing:
        _refuse_finished(wanted, each)
    return [each for each in planned if each in missing]


def _criteria(wanted: Wanted, configs: Sequence[Any]) -> list[Criterion]:
    """Return the criteria of a seed's runs, whose configs are the rows' own without overrides."""
    composed = () if wanted.overrides else configs
    found = criteria(wanted.table, wanted.data, wanted.config_dir, composed)
    return [*found.before, *found.rows.values()]


def _overrides(wanted: Wanted, stage: Stage, seed: int) -> Iterator[str]:
    yield f"experiment={stage.experiment}"
    yield f"tags=[{wanted.table.id},{stage.id}]"
    yield from (*stage.overrides, f"seed={seed}", f"paths.runs={wanted.runs}", *wanted.overrides)
    if wanted.force:
        yield "overwrite=true"
    elif not wanted.replaces:
        yield "resume=auto"


def _counts(criterion: Criterion, finished: Finished, run: Run) -> bool:
    """Tell whether a finished run counts and has the free values of a composed one."""
    record = finished.record
    free = criterion.free_values(run.plain_config)
    return (
        record.head == criterion.expected.head
        and criterion.free_values(record.config) == free
        and criterion.why_not(record) is None
    )


def _refuse_changes(
    wanted: Wanted, criterion: Criterion, stage: Stage, seed: int, run: Run
) -> None:
    """Refuse overrides with which a run would be another one than the table's."""
    ours = {"seed": seed, "name": stage.experiment, "paths.runs": str(wanted.runs), "debug": None}
    its = (run.settings.seed, run.experiment, str(run.config.paths.runs), run.debug)
    found = {key: (its, own) for (key, own), its in zip(ours.items(), its) if its != own}
    if changed := criterion.differences(run.plain_config) | found:
        raise ValueError(
            f"`{' '.join(wanted.overrides)}` changes the runs of {wanted.table.id}: "
            f"{shortened(changed)}. Train a variant with fcn-train."
        )


def _refuse_finished(wanted: Wanted, planned: Planned) -> None:
    """Refuse to resume a finished run that does not count."""
    folder = planned.run.folder
    if not is_complete(folder):
        return
    try:
        why = planned.criterion.why_not(read_record(folder))
    except RecordError as error:
        why = error.why
    raise ValueError(
        f"{folder} holds a finished run that does not count for {wanted.table.id}: {why}. Replace "
        "it with --force, or move it out of the way."
    )
