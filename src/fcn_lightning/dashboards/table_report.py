"""The W&B report of a table: the paper's numbers, and the runs of its rows on each data set."""

from __future__ import annotations

from collections.abc import Sequence

import wandb_workspaces.reports.v2 as wr
from wandb_workspaces.reports.v2.interface import BlockTypes

from fcn_lightning.dashboards.panels import HOURS, bars, curve, three_in_a_row
from fcn_lightning.dashboards.papers import lab_note, numbers
from fcn_lightning.dashboards.row_runs import run_sets
from fcn_lightning.tables.columns import column
from fcn_lightning.tables.definitions import Table


def table_report(table: Table, entity: str, project: str, given: Sequence[str] = ()) -> wr.Report:
    """Build the report of a table, without a request.

    Args:
        table: The table.
        entity: The user or team.
        project: The project that has the runs.
        given: Free keys and their values, as they were given to `fcn table run`.
    """
    blocks: list[BlockTypes] = [
        wr.MarkdownBlock(lab_note(table)),
        wr.H2("The paper's numbers"),
        wr.MarkdownBlock(numbers(table)),
    ]
    for data in table.data:
        if runs := run_sets(table, data, given):
            panels = three_in_a_row([*_curves(), *_scores(table, data)])
            blocks += [wr.H2(f"Runs on {data}"), wr.PanelGrid(runsets=runs, panels=panels)]
    return wr.Report(
        entity=entity,
        project=project,
        title=f"{table.file_name}: {table.title}",  # part of the address: no slash
        description=str(table.source),
        blocks=blocks,
        width="fluid",
    )


def _curves() -> list[wr.LinePlot]:
    return [
        curve("mean IU, validation", "val/mean_iu"),
        curve("mean IU, validation, over time", "val/mean_iu", x=HOURS),
        curve("loss, training", "train/loss"),
    ]


def _scores(table: Table, data: str) -> list[wr.BarPlot]:
    """Draw the columns that are scores, under the names that runs log."""
    found = []
    for name in table.columns:
        if column(name).kind == "score":
            logged = table.on(data).mean_iu if name == "mean_iu" else name
            found.append(bars(column(name).title, f"test/{logged}"))
    return found
