"""From the scores.json of runs to the rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from fcn_lightning.tables.definitions import Row, Scores, Strict, Table, first_error


class Ours(Scores):
    """What was measured: means over the seeds, and on which images.

    `std` is the sample standard deviation over the seeds; None where there is one seed.
    """

    data: str
    split: str
    num_images: int
    seeds: list[int]
    std: Scores | None


class Result(Strict):
    """A row of a table: ours, None where it was not run, and the paper's."""

    id: str
    title: str
    ours: Ours | None
    paper: Scores


class _Measured(Scores):
    model_config = ConfigDict(extra="ignore")


class Record(BaseModel):
    """What a table reads of a scores.json."""

    model_config = ConfigDict(extra="ignore", strict=True)

    format: Literal[1]
    seed: int
    data: str
    split: str
    num_images: int
    scores: _Measured

    @property
    def images(self) -> tuple[str, str, int]:
        """What the run was scored on."""
        return self.data, self.split, self.num_images


def collect(table: Table, data: str, runs: Path) -> list[Result]:
    """The rows of a table on one data, from the runs under `runs`.

    Raises:
        ValueError: The table has no such data, a scores.json is broken, or the seeds of a row
            were scored on different images.
    """
    experiment = runs / table.on(data).experiment
    return [
        Result(
            id=row.id, title=row.title, ours=measured(experiment / row.id, data), paper=row.paper
        )
        for row in table.rows
    ]


def measured(folder: Path, data: str) -> Ours | None:
    """The scores of a row from its folder of seeds; None where no seed is complete.

    Raises:
        ValueError: A scores.json is broken, or speaks of other images than it must.
    """
    paths = [run / "scores.json" for run in complete_seeds(folder)]
    if not paths:
        return None
    records = [read_record(path) for path in paths]
    for path, record in zip(paths, records):
        if record.data != data:
            raise ValueError(f"{path} must be scored on {data}; it is on {record.data}.")
        if record.images != records[0].images:
            raise ValueError(
                f"The seeds of a row must be scored on the same images; {paths[0]} is on "
                f"{in_words(*records[0].images)}, {path} on {in_words(*record.images)}."
            )
    return _over_seeds(records)


def complete_seeds(folder: Path) -> list[Path]:
    """The seeds' folders that have a scores.json, lowest seed first."""
    seeds = (path.parent for path in folder.glob("seed*/scores.json"))
    return sorted(seeds, key=lambda run: (len(run.name), run.name))


def done(table: Table, data: str, runs: Path) -> list[Row]:
    """The rows of which at least one seed is complete."""
    experiment = runs / table.on(data).experiment
    return [row for row in table.rows if complete_seeds(experiment / row.id)]


def default_data(table: Table, runs: Path) -> str:
    """The data with most rows done; on a tie, the one that the table names first."""
    return max(table.data, key=lambda data: len(done(table, data, runs)))


def read_record(path: Path) -> Record:
    """A run's scores.json.

    Raises:
        ValueError: It is not JSON, of another format, or lacks something.
    """
    try:
        return Record.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise ValueError(
            f"{path} must be scores of format 1, as fcn-train writes them; {first_error(error)}"
        ) from error


def in_words(data: str, split: str, num_images: int) -> str:
    """On what scores were measured: "shapes, voc/val, 100 images"."""
    return f"{data}, {split}, {num_images} images"


def _over_seeds(records: Sequence[Record]) -> Ours:
    values = {name: [getattr(r.scores, name) for r in records] for name in Scores.model_fields}
    data, split, num_images = records[0].images
    return Ours(
        **{name: fmean(each) for name, each in values.items()},
        data=data,
        split=split,
        num_images=num_images,
        seeds=[record.seed for record in records],
        std=Scores(**{name: stdev(each) for name, each in values.items()})
        if len(records) > 1
        else None,
    )
