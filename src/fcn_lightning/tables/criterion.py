"""The runs that count for a row: those whose record has the row's own configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fcn_lightning.runs.expected import Expected, expected
from fcn_lightning.runs.identity import differences, in_words
from fcn_lightning.runs.record import Record
from fcn_lightning.tables.definitions import Scores, Stage, Table

Differences = dict[str, tuple[Any, Any]]
Starts = tuple[Expected, ...]


@dataclass(frozen=True)
class Criterion:
    """Decides whether a run counts for a row, or for a stage before the rows.

    Attributes:
        expected: The configuration of the row.
        free: Keys that may differ from it.
        starts: The configurations allowed for the run that it starts from; empty if it does not
            start from a run of the table.
    """

    expected: Expected
    free: tuple[str, ...] = ()
    starts: Starts = ()

    def free_values(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of the free keys in a configuration."""
        return {key: _value(config, key) for key in self.free}

    def differences(self, config: Mapping[str, Any]) -> Differences:
        """Return the keys in which a configuration differs from the row's, free keys aside."""
        return _from(self.expected, config, self.free_values(config))

    def why_not(self, record: Record) -> str | None:
        """Say why a run does not count for the row; None where it counts."""
        if record.debug:
            return f"debug={record.debug}"
        if found := self.differences(record.config):
            return shortened(found)
        if record.num_images != record.split_size:
            return f"{record.num_images} of {record.split_size} images were scored"
        if record.step != (max_steps := record.config["recipe"]["max_steps"]):
            return f"it was stopped after {record.step} of {max_steps} steps"
        return _without_scores(record) or self._start_that_differs(record)

    def _start_that_differs(self, record: Record) -> str | None:
        if self.starts and not record.start:
            return "it starts from nothing"
        for start in record.start.values() if self.starts else ():
            if start.config is None:
                return f"it starts from {start.path}, which is no finished run"
            free = self.free_values(record.config)
            found = min((_from(each, start.config, free) for each in self.starts), key=len)
            if found:
                return f"it starts from {start.path}, where {shortened(found)}"
        return None


@dataclass(frozen=True)
class Criteria:
    """The criteria of a table on one data set.

    Attributes:
        before: Of the stages before the rows.
        rows: Of the rows that have a run on it, by their ids.
    """

    before: list[Criterion]
    rows: dict[str, Criterion]


def criteria(
    table: Table, data: str, config_dir: Path | None = None, composed: Sequence[Any] = ()
) -> Criteria:
    """Return the criteria of every row and stage of a table on one data set.

    Args:
        table: The table.
        data: The data set.
        config_dir: A folder of configs that is searched first.
        composed: The configurations of `stages_of`, if they have been composed already.

    Raises:
        ValueError: The table cannot be run on the data.
    """
    stages = stages_of(table, data)
    every = [Expected(each) for each in composed] or [
        expected(f"experiment={stage.experiment}", *stage.overrides, config_dir=config_dir)
        for stage in stages
    ]
    num_before = len(table.on(data).before)
    found = [
        Criterion(each, tuple(stage.free), _starts(each, stages, every))
        for stage, each in zip(stages, every)
    ]
    ids = [stage.id for stage in stages[num_before:]]
    return Criteria(found[:num_before], dict(zip(ids, found[num_before:])))


def _starts(each: Expected, stages: Sequence[Stage], every: Sequence[Expected]) -> Starts:
    """Return the stages of the table from which a run starts: those before it, or a classifier."""
    if each.before is None:
        return ()
    if each.before == "classifier":
        named = each.classifiers
        return tuple(o for s, o in zip(stages, every) if (s.experiment, o.head) in named)
    own = _variant(stages[every.index(each)])
    before = [
        (stage, other)
        for stage, other in zip(stages, every)
        if other.stage == each.before and other.experiment == each.experiment
    ]
    same = [other for stage, other in before if _variant(stage) == own]
    plain = [other for stage, other in before if not _variant(stage)]
    return tuple(same or plain)


def _variant(stage: Stage) -> set[str]:
    return {override for override in stage.overrides if not override.startswith("head=")}


def stages_of(table: Table, data: str) -> list[Stage]:
    """Return the runs of one seed: the stages before the rows, and the rows."""
    rows = (table.run_of(row, data) for row in table.rows)
    return [*table.on(data).before, *(row for row in rows if row)]


def shortened(found: Differences, most: int = 3) -> str:
    """List the first differences in words: `seed is 1, not 0`."""
    words = in_words(dict(islice(found.items(), most)))
    return words if len(found) <= most else f"{words}; and {len(found) - most} more"


def _from(expected: Expected, config: Mapping[str, Any], free: Mapping[str, Any]) -> Differences:
    """Compare a configuration with an expected one of the same seed, folders and free values."""
    same = {key: config[key] for key in ("seed", "paths") if key in config}
    return differences(config, expected.with_values({**same, **free}))


def _value(config: Mapping[str, Any], key: str) -> Any:
    value: Any = config
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _without_scores(record: Record) -> str | None:
    """Name the first of the four scores that is no fraction."""
    try:
        Scores(**{name: record.scores.get(name) for name in Scores.model_fields})  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        return f"`scores.{first['loc'][0]}` is {first['input']}"
    return None
