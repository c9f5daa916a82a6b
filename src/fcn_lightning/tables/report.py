"""A table's rows for the terminal, as Markdown, and as a picture of predictions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rich.table
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy import ndarray
from PIL import Image
from rich import box

from fcn_lightning.tables.definitions import Scores, Table
from fcn_lightning.tables.results import Result, complete_seeds, in_words

HEADER = ("", "", "pixel acc.", "mean acc.", "mean IU", "f.w. IU", "measured on")
NOTE = "In percent; ours are means over the seeds ± the sample standard deviation. Paper: "


def terminal(table: Table, results: Sequence[Result]) -> rich.table.Table:
    """Two lines for each row: ours, and the paper's below."""
    shown = rich.table.Table(
        title=table.title, caption=f"{NOTE}{table.source}.", box=box.SIMPLE, caption_justify="left"
    )
    for name in HEADER:
        shown.add_column(name, no_wrap=name != HEADER[-1])
    for result in results:
        ours, paper = lines(result, table)
        shown.add_row(*ours)
        shown.add_row(*paper, end_section=True)
    return shown


def markdown(table: Table, data: str, results: Sequence[Result], picture: str | None) -> str:
    """The same as Markdown, with the picture of that name below where there is one."""
    rows = [HEADER, ("---",) * len(HEADER)]
    rows += [line for result in results for line in lines(result, table)]
    text = f"# {table.title}\n\n"
    text += "".join(f"| {' | '.join(row)} |\n" for row in rows)
    text += f"\n{NOTE}{table.source}.\n\nMade by `fcn table run {table.id} --data {data}`.\n"
    return text + (f"\n![Predictions]({picture})\n" if picture else "")


def lines(result: Result, table: Table) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The cells of a row: ours, and the paper's."""
    ours = result.ours
    paper = ("", "paper", *_percent(result.paper, None), table.source.split)
    if ours is None:
        return (result.title, "ours", "not run", "", "", "", ""), paper
    seeds = f"seed{'s' if len(ours.seeds) > 1 else ''} {', '.join(map(str, ours.seeds))}"
    where = f"{in_words(ours.data, ours.split, ours.num_images)}, {seeds}"
    return (result.title, "ours", *_percent(ours, ours.std), where), paper


def write_picture(table: Table, data: str, runs: Path, path: Path, *, num_images: int = 4) -> bool:
    """Draws images, their labels and each row's prediction, from the lowest seed that it has.

    Only images of which every row that was run has a prediction; False, and no file, where there
    is none.
    """
    experiment = runs / table.on(data).experiment
    seeds = {row.title: complete_seeds(experiment / row.id) for row in table.rows}
    folders = {title: runs[0] / "pictures" for title, runs in seeds.items() if runs}
    names = _names_in_all(list(folders.values()))[:num_images]
    if not names:
        return False
    first = next(iter(folders.values()))
    columns = [("image", first, "image"), ("label", first, "label")]
    columns += [(title, folder, "prediction") for title, folder in folders.items()]
    figure = Figure(figsize=(1.8 * len(columns), 1.5 * len(names)), dpi=150, layout="constrained")
    axes = figure.subplots(len(names), len(columns), squeeze=False)
    for row, name in zip(axes, names):
        for ax, (_, folder, kind) in zip(row, columns):
            ax.imshow(_colors(folder / f"{name}.{kind}.png"), interpolation="nearest")
            ax.set_axis_off()
    for ax, (title, _, _) in zip(axes[0], columns):
        ax.set_title(title)
    FigureCanvasAgg(figure)  # whatever backend is configured
    figure.savefig(path)
    return True


def _percent(scores: Scores, std: Scores | None) -> list[str]:
    values = [f"{100 * getattr(scores, name):.1f}" for name in Scores.model_fields]
    if std is None:
        return values
    spread = [f"{100 * getattr(std, name):.1f}" for name in Scores.model_fields]
    return [f"{value} ± {each}" for value, each in zip(values, spread)]


def _names_in_all(folders: Sequence[Path]) -> list[str]:
    ending = ".prediction.png"
    names = [{path.name.removesuffix(ending) for path in f.glob(f"*{ending}")} for f in folders]
    return sorted(set.intersection(*names)) if names else []


def _colors(path: Path) -> ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))
