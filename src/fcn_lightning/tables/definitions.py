"""Tables of the papers as data: rows, their numbers, and the overrides that run each row."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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
    """Where a table is printed; `split` is what the paper's numbers were measured on."""

    paper: str
    table: str
    arxiv: str
    split: str

    def __str__(self) -> str:
        return f"{self.paper}, {self.table} (arXiv:{self.arxiv}), on {self.split}"


class Stage(Strict):
    """A run before the rows, in the folder <experiment>/<id>/seed<N>."""

    experiment: str
    id: str
    overrides: list[str]


class Data(Strict):
    """What a table can be run on: the rows' experiment, and the stages before them."""

    experiment: str
    before: list[Stage]


class Row(Strict):
    """A line of the table.

    `needs` is the row of the same seed from which it starts; None where it starts from the stages
    before the rows.
    """

    id: str
    title: str
    overrides: list[str]
    needs: str | None = None
    paper: Scores


class Table(Strict):
    """A table of a paper. Its first data is the default where no other has more rows done."""

    id: str
    title: str
    source: Source
    data: Annotated[dict[str, Data], Field(min_length=1)]
    rows: Annotated[list[Row], Field(min_length=1)]

    @model_validator(mode="after")
    def _rows_follow_what_they_need(self) -> Table:
        before: set[str | None] = {None}
        for row in self.rows:
            if row.needs not in before or row.id in before:
                raise ValueError(
                    f"rows must have ids of their own and need rows above them; {row.id} does not"
                )
            before.add(row.id)
        return self

    def on(self, data: str) -> Data:
        """The data of this name.

        Raises:
            ValueError: The table cannot be run on it.
        """
        if data not in self.data:
            raise ValueError(f"Data of {self.id} must be {' or '.join(self.data)}; got '{data}'.")
        return self.data[data]


def experiments_dir() -> Path:
    """The folder of tables: the checkout's, or the one that travels in the wheel."""
    checkout = Path(__file__).parents[3] / "experiments"
    return checkout if checkout.is_dir() else Path(__file__).parents[1] / "experiments"


def table_ids() -> list[str]:
    """The tables that there are."""
    return sorted(path.stem for path in experiments_dir().glob("*.yaml"))


def read_table(table_id: str) -> Table:
    """The table of experiments/<table_id>.yaml.

    Raises:
        ValueError: There is none of this name, or its file does not hold a table.
    """
    if table_id not in table_ids():
        raise ValueError(f"A table must be one of {', '.join(table_ids())}; got '{table_id}'.")
    path = experiments_dir() / f"{table_id}.yaml"
    try:
        return Table.model_validate({"id": table_id, **yaml.safe_load(path.read_text())})
    except ValidationError as error:
        raise ValueError(f"{path} must be a table; {first_error(error)}") from error


def first_error(error: ValidationError) -> str:
    """The first thing that is wrong, with its place: "`rows.0.paper.fw_iu`: Field required."."""
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    return f"`{where}`: {first['msg']}." if where else f"{first['msg']}."
