"""The W&B runs of a table's row: a filter by experiment and variant."""

from __future__ import annotations

from collections.abc import Sequence

import wandb_workspaces.reports.v2 as wr
from wandb_workspaces import expr

from fcn_lightning.runs.expected import expected
from fcn_lightning.runs.identity import variant_suffix
from fcn_lightning.tables.definitions import Stage, Table


def run_sets(table: Table, data: str, given: Sequence[str]) -> list[wr.Runset]:
    """Return a run set for each row that has runs on a data set; its seeds are one group.

    The experiment and the variant fix the data: a choice of other data is part of a variant.

    Args:
        table: The table.
        data: The data set.
        given: Free keys and their values, as they were given to `fcn table run`.
    """
    found = []
    for row in table.rows:
        if (stage := table.run_of(row, data)) is None:
            continue
        stands_in = row.by_data[data].stands_in if data in row.by_data else None
        filters = expr.And(
            expr.Config("experiment") == stage.experiment,
            expr.Config("variant") == variant(stage, given),
        )
        name = f"{row.title} ({stands_in})" if stands_in else row.title
        # Without entity and project, which would be looked up: the report's own.
        found.append(wr.Runset(name=name, filters=filters, groupby=["config.variant"]))
    return found


def variant(stage: Stage, given: Sequence[str]) -> str:
    """Name the variant of a row's runs, as the second part of their folders does."""
    own = [each for each in given if _key(each) in stage.free]
    heads = [each for each in stage.overrides if _key(each) == "head"]
    head = heads[-1].partition("=")[2] if heads else expected(f"experiment={stage.experiment}").head
    return head + variant_suffix([*stage.overrides, *own])


def check_given(tables: Sequence[Table], given: Sequence[str]) -> None:
    """Refuse overrides with which runs would be no runs of a table.

    Raises:
        ValueError: The key is free in none of the tables.
    """
    free = _free_keys(tables)
    for each in given:
        if _key(each) not in free and variant_suffix([each]):
            known = f"Use {' or '.join(free)}." if free else "Leave it out."
            raise ValueError(f"`{each}` is in no run of these tables. {known}")


def not_given(tables: Sequence[Table], given: Sequence[str]) -> list[str]:
    """Return the free keys of these tables that lack a value."""
    return [key for key in _free_keys(tables) if key not in map(_key, given)]


def _free_keys(tables: Sequence[Table]) -> list[str]:
    stages = (
        table.run_of(row, data) for table in tables for data in table.data for row in table.rows
    )
    return sorted({key for stage in stages if stage for key in stage.free})


def _key(override: str) -> str:
    return override.partition("=")[0]
