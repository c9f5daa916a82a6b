"""From the records of runs to the rows of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from pydantic import Field

from fcn_lightning.runs.record import Record
from fcn_lightning.tables.choice import choose
from fcn_lightning.tables.columns import column
from fcn_lightning.tables.criterion import Criterion, criteria
from fcn_lightning.tables.definitions import Printed, Row, Scores, Strict, Table
from fcn_lightning.tables.records import Finished, Records

FOUR = tuple(Scores.model_fields)


class HeadScores(Scores):
    """The scores of another head than the first, and their standard deviation."""

    std: Scores | None


class Ours(Scores):
    """The measured scores: means over the seeds, and what they were measured with.

    Attributes:
        std: The sample standard deviation over the seeds; None for one seed.
        num_processes: The distinct numbers of processes.
        commits: The distinct commits; `unknown` outside a checkout.
        seconds: How long a run took, as the mean over the seeds.
        free: The values of the free keys, which are the same in all runs of the row.
        runs: The folders of the runs, in the order of the seeds.
        heads: The scores of other heads than the first.
    """

    data: str
    split: str
    num_images: int
    seeds: list[int]
    std: Scores | None
    steps: int
    precision: str
    num_processes: list[int]
    commits: list[str]
    free: dict[str, Any]
    runs: list[str]
    heads: dict[str, HeadScores] = Field(default={})
    seconds: float = 0.0

    def value(self, column: str) -> tuple[float, float | None]:
        """The value in a column, `mean_iu` or `geo/pixel_acc`, and its standard deviation."""
        head, _, own = column.rpartition("/")
        of = self.heads[head] if head else self
        return getattr(of, own), getattr(of.std, own, None)


class Result(Strict):
    """A row of a table: ours, None where no run counts, and the paper's.

    Attributes:
        columns: The columns that can have a value of ours on this data; other methods have none.
        stands_in: The network that takes the place of the row's on this data.
        values: Values of ours that are no scores of runs, by column.
        how: How these values were found, each once.
        versus: The id of the row that it is compared with; None for the one above.
    """

    id: str
    title: str
    columns: Sequence[str] = FOUR
    stands_in: str | None = None
    ours: Ours | None
    values: Mapping[str, float] = Field(default={})
    how: Sequence[str] = ()
    versus: str | None = None
    paper: Printed

    @property
    def is_run(self) -> bool:
        """True if the row is trained on this data set."""
        return any(column(name).kind == "score" for name in self.columns)

    def value(self, name: str) -> tuple[float, float | None] | None:
        """The value of ours in a column, and its standard deviation; None where there is none."""
        if name in self.values:
            return self.values[name], None
        is_of_runs = name in self.columns and column(name).kind in ("score", "run")
        return self.ours.value(name) if self.ours and is_of_runs else None

    def as_json(self) -> dict[str, Any]:
        """The row as plain values; of the paper, the four scores of the first head."""
        found = self.model_dump(include={"id", "title", "ours"}) | {
            "paper": self.paper.model_dump(include=set(FOUR))
        }
        if self.values:
            own = {"values": dict(self.values), "how": list(self.how)}
            found["ours"] = {**(found["ours"] or {}), **own}
        return found


@dataclass(frozen=True)
class Results:
    """The rows of a table on one data set.

    Attributes:
        left_out: The runs of the same experiment and heads that do not count, each with the cause.
    """

    data: str
    rows: list[Result]
    left_out: dict[Path, str]

    @property
    def num_run(self) -> int:
        """The number of rows that have a value of ours."""
        return sum(row.ours is not None or bool(row.values) for row in self.rows)


def collect(table: Table, data: str, records: Records, config_dir: Path | None = None) -> Results:
    """Return the rows of a table on one data set.

    Raises:
        ValueError: The table cannot be run on the data, or the seeds of a row were scored on
            different images.
    """
    stages = {row.id: table.run_of(row, data) for row in table.rows}
    experiments = {stage.experiment: None for stage in stages.values() if stage}
    finished = [run for experiment in experiments for run in records.of(experiment)]
    left_out = {
        folder: why
        for experiment in experiments
        for folder, why in records.unreadable_of(experiment).items()
    }
    if not finished:
        rows = [_result(table, row, data, None, records) for row in table.rows]
        return Results(data, rows, left_out)
    rows, wanted = [], criteria(table, data, config_dir).rows
    for row in table.rows:
        runs, others = choose(wanted[row.id], finished) if row.id in wanted else ([], {})
        score = table.on(data).mean_iu
        ours = over_seeds(row.title, wanted[row.id], runs, score) if runs else None
        rows.append(_result(table, row, data, ours, records))
        left_out |= others
    counted = {Path(run) for row in rows if row.ours for run in row.ours.runs}
    for run in finished:
        why = _why_in_no_row(run, list(wanted.values()))
        if why and run.folder not in counted | {*left_out}:
            left_out[run.folder] = why
    return Results(data, rows, dict(sorted(left_out.items())))


def collect_default(table: Table, records: Records, config_dir: Path | None = None) -> Results:
    """Return the rows on the data with most rows done; on a tie, on the first in the table."""
    found = [collect(table, data, records, config_dir) for data in table.data]
    return max(found, key=lambda results: results.num_run)


def over_seeds(
    title: str, criterion: Criterion, runs: Sequence[Finished], mean_iu: str = "mean_iu"
) -> Ours:
    """Average the scores of a row's runs; `mean_iu` names the score in the column of mean IU.

    Raises:
        ValueError: They were scored on different images.
    """
    records = [run.record for run in runs]
    images = [(each.data, each.split, each.num_images) for each in records]
    for run, its in zip(runs, images):
        if its != images[0]:
            raise ValueError(
                f"The seeds of {title} were scored on different images: {runs[0].folder} on "
                f"{describe(*images[0])}, {run.folder} on {describe(*its)}. Move one of them out "
                "of the folder of runs."
            )
    data, split, num_images = images[0]
    means, std = _over(records, {name: mean_iu if name == "mean_iu" else name for name in FOUR})
    heads = {key.partition("/")[0] for key in records[0].scores if "/" in key}
    of_heads = {head: _over(records, {name: f"{head}/{name}" for name in FOUR}) for head in heads}
    return Ours(
        **means,
        data=data,
        split=split,
        num_images=num_images,
        seeds=[each.seed for each in records],
        std=std,
        heads={head: HeadScores(**own, std=spread) for head, (own, spread) in of_heads.items()},
        steps=records[0].step,
        precision=records[0].precision,
        num_processes=sorted({each.num_processes for each in records}),
        commits=sorted({each.commit or "unknown" for each in records}),
        free=criterion.free_values(records[0].config),
        runs=[str(run.folder) for run in runs],
        seconds=fmean(each.seconds for each in records),
    )


def _over(
    records: Sequence[Record], scores: Mapping[str, str]
) -> tuple[dict[str, float], Scores | None]:
    """Return the means of some scores, and their standard deviations if there are several runs."""
    values = {
        name: [float(each.scores[score] or 0) for each in records] for name, score in scores.items()
    }
    means = {name: fmean(each) for name, each in values.items()}
    if len(records) == 1:
        return means, None
    return means, Scores(**{name: stdev(each) for name, each in values.items()})


def describe(data: str, split: str, num_images: int) -> str:
    """Describe the images that scores were measured on: "shapes, voc/val, 100 images"."""
    return f"{data}, {split}, {num_images} images"


def _result(table: Table, row: Row, data: str, ours: Ours | None, records: Records) -> Result:
    found = [each for each in records.values if each.counts_for(table, row, data)]
    return Result(
        id=row.id,
        title=row.title,
        columns=table.columns_of(row, data),
        stands_in=row.by_data[data].stands_in if data in row.by_data else None,
        ours=ours,
        values={name: value for each in found for name, value in each.values.items()},
        how=list(dict.fromkeys(each.how for each in found)),
        versus=row.versus,
        paper=row.paper,
    )


def _why_in_no_row(run: Finished, wanted: Sequence[Criterion]) -> str | None:
    """Say why a run does not count for the row of its head; None where no row has its head."""
    fitting = [each for each in wanted if each.expected.head == run.record.head]
    if not fitting:
        return None
    nearest = min(fitting, key=lambda each: len(each.differences(run.record.config)))
    return nearest.why_not(run.record)
