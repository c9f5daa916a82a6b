"""The W&B workspace of a project: what one looks at while runs are at work."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import wandb_workspaces.reports.v2 as wr
import wandb_workspaces.workspaces as ws
from wandb_workspaces.reports.v2.interface import PanelTypes

from fcn_lightning.dashboards.panels import HOURS, STEP, bars, curve
from fcn_lightning.dashboards.papers import numbers
from fcn_lightning.tables.columns import COLUMNS
from fcn_lightning.tables.definitions import Scores, Table

NAME = "fcn_lightning"
"""The name of the saved view, by which it is found again."""

GPUS = range(8)
"""Those of one machine; W&B draws nothing for those that a run lacks."""


def workspace(
    tables: Sequence[Table], entity: str, project: str, pictures: Sequence[str] = ()
) -> ws.Workspace:
    """Build the workspace, without a request.

    Args:
        tables: Those whose papers' numbers stand beside the scores.
        entity: The user or team.
        project: The project that has the runs.
        pictures: The names of the images that runs show.
    """
    return ws.Workspace(
        name=NAME,
        entity=entity,
        project=project,
        sections=[*_sections(tables), _predictions(pictures), _images()],
        settings=ws.WorkspaceSettings(x_axis=STEP, max_runs=100),
        runset_settings=ws.RunsetSettings(
            groupby=[ws.Config("experiment"), ws.Config("variant")],
            pinned_columns=["run:displayName", "summary:test/mean_iu", "summary:best/mean_iu"],
        ),
        auto_generate_panels=False,
    )


def pictures_below(runs: Path) -> list[str]:
    """Return the names of the images that runs below a folder show, each once."""
    files = runs.glob("*/*/seed*/pictures/*.prediction.png")
    names = {path.name.removesuffix(".prediction.png") for path in files}
    first_heads = {name for name in names if name.rpartition(".")[0] not in names}
    return sorted(first_heads)


def _sections(tables: Sequence[Table]) -> list[ws.Section]:
    gpus = {
        name: [f"system/gpu.{i}.{name}" for i in GPUS] for name in ("memoryAllocatedBytes", "gpu")
    }
    panels: dict[str, list[PanelTypes]] = {
        "scores": [
            *(bars(COLUMNS[name].title, f"test/{name}") for name in Scores.model_fields),
            bars("best mean IU, validation", "best/mean_iu"),
            wr.MarkdownPanel(_references(tables)),
            curve("mean IU, validation", "val/mean_iu"),
        ],
        "losses": [
            curve("training", "train/loss", log_y=True),
            curve("validation", "val/loss", log_y=True),
        ],
        "learning rate and gradient": [
            curve("learning rate", "train/lr"),
            curve("norm of the gradient", "train/grad_norm", log_y=True),
        ],
        "speed": [
            curve("images per second", "speed/images_per_second"),
            curve("seconds for a step", "speed/step_seconds"),
            curve("share of the time spent waiting for images", "speed/waiting", range_y=(0, 1)),
        ],
        "memory": [
            curve("most memory so far, in GiB", "speed/memory_gib"),
            curve("memory of the GPUs, in bytes", *gpus["memoryAllocatedBytes"], x=HOURS),
            curve("use of the GPUs, in percent", *gpus["gpu"], x=HOURS),
        ],
        "classes": [curve("IU of each class, validation", metric_regex="val/(.*/)?iu/.*")],
    }
    return [
        ws.Section(name=name, panels=own, is_open=name == "scores") for name, own in panels.items()
    ]


def _references(tables: Sequence[Table]) -> str:
    """Return the papers' numbers as text: W&B's bars have no reference lines."""
    parts = [f"### {table.title} ({table.source.table})\n\n{numbers(table)}" for table in tables]
    return "\n\n".join(["The papers' numbers, for the bars beside.", *parts])


def _predictions(pictures: Sequence[str]) -> ws.Section:
    """Show each image with its masks: steps from left to right, runs from top to bottom."""
    panels: list[PanelTypes] = [
        wr.MediaBrowser(
            title=name, media_keys=[f"pictures/{name}"], grid_x_axis="step", grid_y_axis="run"
        )
        for name in pictures
    ]
    missing = wr.MarkdownPanel("No run was there to name its images. Run `fcn dashboard` again.")
    return ws.Section(name="predictions", panels=panels or [missing])


def _images() -> ws.Section:
    panel = wr.WeavePanelSummaryTable(table_name="per_image")
    layout = ws.SectionLayoutSettings(columns=1, rows=1)
    return ws.Section(name="scores of each image", panels=[panel], layout_settings=layout)
