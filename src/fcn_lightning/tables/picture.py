"""A picture of predictions: images, their labels, and each row's prediction."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy import ndarray

from fcn_lightning.data.images import open_image
from fcn_lightning.tables.results import Result


def write_picture(results: Sequence[Result], path: Path, *, num_images: int = 4) -> bool:
    """Draw images, their labels and each row's prediction, from the lowest seed that counts.

    Only images of which every row that was run has a prediction are drawn. Returns False, and
    writes no file, where there is none.
    """
    folders = {each.title: Path(each.ours.runs[0]) / "pictures" for each in results if each.ours}
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


def _names_in_all(folders: Sequence[Path]) -> list[str]:
    """The images that have a prediction of the first head in each folder."""
    ending = ".prediction.png"
    names = [{path.name.removesuffix(ending) for path in f.glob(f"*{ending}")} for f in folders]
    common = set.intersection(*names) if names else ()
    return sorted(name for name in common if (folders[0] / f"{name}.image.png").is_file())


def _colors(path: Path) -> ndarray:
    with open_image(path) as picture:
        return np.asarray(picture.convert("RGB"))
