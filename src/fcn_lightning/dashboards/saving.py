"""Saves the workspace and the reports; those of an earlier call are replaced."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import wandb
import wandb_workspaces.reports.v2 as wr
import wandb_workspaces.workspaces as ws
from wandb.apis.public import BetaReport
from wandb.sdk.lib.service.service_connection import WandbApiFailedError

from fcn_lightning.wandb_account import check_account, one_line


def save(workspace: ws.Workspace, reports: Sequence[wr.Report]) -> Iterator[str]:
    """Save a workspace and reports of one project, and yield the address of each.

    A saved view of the same name is replaced, with what was changed in it by hand.

    Raises:
        ValueError: There is no account, no network or no such project; or W&B refuses.
    """
    wandb.setup(wandb.Settings(silent=True))  # addresses are the caller's to print
    check_account("`fcn dashboard` saves to W&B", otherwise="Use --dry-run")
    try:
        yield _save_workspace(workspace)
        saved = _views(workspace.entity, workspace.project, "runs")
        for report in reports:
            if report.title in saved:
                report.id = saved[report.title].id
            yield str(report.save().url)
    except (wandb.errors.Error, WandbApiFailedError) as error:
        raise ValueError(f"W&B did not save everything: {one_line(error)}") from error


def _save_workspace(workspace: ws.Workspace) -> str:
    saved = _views(workspace.entity, workspace.project, "project-view")
    if workspace.name in saved:
        view = saved[workspace.name]
        # The package has no public way to name the view that is replaced.
        workspace._internal_id, workspace._internal_name = view.id, str(view.name)
    return str(workspace.save().url)  # type: ignore[no-untyped-call]


def _views(entity: str, project: str, kind: str) -> dict[str, BetaReport]:
    """Return the saved views of a project by title: `runs` are reports.

    Raises:
        ValueError: There is no such project.
    """
    found = wandb.Api().reports(f"{entity}/{project}")
    found.variables["viewType"] = kind
    try:
        return {str(view.display_name): view for view in found}
    except ValueError as error:
        raise ValueError(
            f"W&B has no project {entity}/{project} that this account can see. A run makes it: set "
            f"WANDB_ENTITY={entity} and WANDB_PROJECT={project}, and train."
        ) from error
