"""The outline of a dashboard: for people, and as the specification that is sent to W&B."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import wandb_workspaces.reports.v2 as wr
import wandb_workspaces.workspaces as ws


def specification(view: ws.Workspace | wr.Report) -> dict[str, Any]:
    """Return what `save` sends, as plain values. Ids of panels are random."""
    spec = view._to_model().spec  # the packages have no public way
    found: dict[str, Any] = json.loads(spec.model_dump_json(by_alias=True, exclude_none=True))
    return found


def workspace_lines(workspace: ws.Workspace) -> Iterator[str]:
    """Describe a workspace, a line for each panel."""
    groups = ", ".join(metric.name for metric in workspace.runset_settings.groupby)
    yield f"workspace {workspace.name}, runs grouped by {groups}"
    for section in workspace.sections:
        yield f"  {section.name}"
        yield from (f"    {_in_words(panel)}" for panel in section.panels)


def report_lines(report: wr.Report) -> Iterator[str]:
    """Describe a report, a line for each block, run set and panel."""
    yield f"report {report.title}"
    for block in report.blocks:
        if isinstance(block, wr.H2):
            yield f"  {block.text}"
        elif isinstance(block, wr.MarkdownBlock):
            yield f"    {_text(block.text)}"
        elif isinstance(block, wr.PanelGrid):
            yield from (f"    runs {each.name}: {each.filters}" for each in block.runsets)
            yield from (f"    {_in_words(panel)}" for panel in block.panels)


def _in_words(panel: Any) -> str:
    match panel:
        case wr.LinePlot():
            shown = [panel.metric_regex] if panel.metric_regex else panel.y
            return f"curves of {_listed(shown)} over {panel.x}: {panel.title}"
        case wr.BarPlot():
            return f"bars of {_listed(panel.metrics)}: {panel.title}"
        case wr.MarkdownPanel():
            return _text(panel.markdown)
        case wr.MediaBrowser():
            return f"images {_listed(panel.media_keys)}"
        case wr.WeavePanelSummaryTable():
            return f"table {panel.table_name}"
    raise TypeError(f"No words for {type(panel).__name__}.")


def _listed(names: Sequence[Any]) -> str:
    return ", ".join(names) if len(names) <= 3 else f"{names[0]} ... {names[-1]}"


def _text(markdown: str) -> str:
    lines = markdown.splitlines()
    return f"text of {len(lines)} lines: {lines[0]}"
