"""Tables of the papers as data: rows, their numbers, and the overrides that run each row."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Strict(BaseModel):
    """Values that do not change, with no key beside those named."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Scores(Strict):
    """The four scores of the papers, as fractions."""

    pixel_acc: Fraction
    mean_acc: Fraction
    mean_iu: Fraction
    fw_iu: Fraction


class Source(Strict):
    """The printed table; `split` is the split that the paper's numbers were measured on."""

    paper: str
    table: str
    arxiv: str
    split: str

    def __str__(self) -> str:
        return f"{self.paper}, {self.table} (arXiv:{self.arxiv}), on {self.split}"


class Stage(Strict):
    """A run that rows start from and that is no row: a classifier."""

    experiment: str
    id: str
    overrides: list[str]


class Data(Strict):
    """A data set that a table can be run on.

    Attributes:
        experiment: The experiment of the rows.
        before: The stages before the rows, once for each seed.
        free: Keys in which runs of a row may differ from the composed configuration. Runs that
            differ in one are never averaged, and the footer prints its value.
        mean_iu: The score in the column of mean IU; `mean_iu_subset` is that over the classes of
            `data.average_over`, as for SIFT Flow.
    """

    experiment: str
    before: list[Stage] = []
    free: list[str] = []
    mean_iu: Literal["mean_iu", "mean_iu_subset"] = "mean_iu"


class Row(Strict):
    """A line of the table."""

    id: str
    title: str
    overrides: list[str]
    paper: Scores


class Table(Strict):
    """A table of a paper. Its first data set is shown unless another one has more rows run."""

    id: str
    title: str
    source: Source
    data: Annotated[dict[str, Data], Field(min_length=1)]
    rows: Annotated[list[Row], Field(min_length=1)]

    @model_validator(mode="after")
    def _ids_differ(self) -> Table:
        ids = [row.id for row in self.rows]
        if twice := [each for each in ids if ids.count(each) > 1]:
            raise ValueError(f"two rows have the id {twice[0]}")
        return self

    def on(self, data: str) -> Data:
        """Return the data set of this name.

        Raises:
            ValueError: The table cannot be run on it.
        """
        if data not in self.data:
            known = " or ".join(f"`--data {name}`" for name in self.data)
            raise ValueError(f"{self.id} has no data set '{data}'. Use {known}.")
        return self.data[data]


def experiments_dir() -> Path:
    """Return the folder of tables: the checkout's, or the one packed into the wheel."""
    checkout = Path(__file__).parents[3] / "experiments"
    return checkout if checkout.is_dir() else Path(__file__).parents[1] / "experiments"


def table_ids() -> list[str]:
    """Return the ids of all tables."""
    return sorted(path.stem for path in experiments_dir().glob("*.yaml"))


def read_table(table_id: str) -> Table:
    """Read the table of experiments/<table_id>.yaml.

    Raises:
        ValueError: There is no such file, or it does not describe a table.
    """
    if table_id not in table_ids():
        raise ValueError(f"Unknown table '{table_id}'. Choose from {', '.join(table_ids())}.")
    path = experiments_dir() / f"{table_id}.yaml"
    try:
        return Table.model_validate({"id": table_id, **yaml.safe_load(path.read_text())})
    except ValidationError as error:
        raise ValueError(f"{path} is not a table; {_first_error(error)}") from error


def _first_error(error: ValidationError) -> str:
    """Return the first error with its place: "`rows.0.paper.fw_iu`: Field required."."""
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    return f"`{where}`: {first['msg']}." if where else f"{first['msg']}."
