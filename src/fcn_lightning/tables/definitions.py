"""Tables of the papers as data: rows, their numbers, and the overrides that run each row."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from fcn_lightning.tables.columns import COLUMNS, column
from fcn_lightning.text_files import read_yaml

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


class Printed(Strict):
    """The numbers that a paper prints in a row; None where it prints none. Scores are fractions.

    Attributes:
        heads: The scores of other heads than the first, by head: `geo`.
        values: The numbers in columns that are no scores, in the units of `tables.columns`.
        says: What the paper says in words.
        recalled: The numbers were not checked against the paper.
    """

    pixel_acc: Fraction | None = None
    mean_acc: Fraction | None = None
    mean_iu: Fraction | None = None
    fw_iu: Fraction | None = None
    heads: dict[str, dict[str, Fraction]] = {}
    values: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = {}
    says: str | None = None
    recalled: bool = False

    def value(self, column: str) -> float | None:
        """The number in a column: `mean_iu`, or `geo/pixel_acc` of another head."""
        head, _, own = column.rpartition("/")
        if head:
            return self.heads.get(head, {}).get(own)
        return getattr(self, own) if own in Scores.model_fields else self.values.get(own)


class Source(Strict):
    """The printed table; `split` is the split that the paper's numbers were measured on."""

    paper: str
    table: str
    split: str
    arxiv: str | None = None

    def __str__(self) -> str:
        arxiv = f" (arXiv:{self.arxiv})" if self.arxiv else ""
        return f"{self.paper}, {self.table}{arxiv}, on {self.split}"


class Stage(Strict):
    """A run of a table: its experiment, its id, its overrides and its free keys (see Data)."""

    experiment: str
    id: str
    overrides: list[str]
    free: list[str] = []


class Data(Strict):
    """A data set that a table can be run on.

    Attributes:
        experiment: The experiment of the rows that name none of their own.
        before: The stages before the rows, once for each seed.
        free: Keys in which runs of a row may differ from the composed configuration. Runs that
            differ in one are never averaged, and the footer prints its value.
        mean_iu: The score in the column of mean IU; `mean_iu_subset` is that over the classes of
            `data.average_over`, as for SIFT Flow.
    """

    experiment: str | None = None
    before: list[Stage] = []
    free: list[str] = []
    mean_iu: Literal["mean_iu", "mean_iu_subset"] = "mean_iu"


class Own(Strict):
    """The run of a row on one data set, where it differs from the others.

    Attributes:
        stands_in: The network that takes the place of the row's on this data; the footer says so.
    """

    stands_in: str | None = None
    experiment: str | None = None
    overrides: list[str] | None = None
    free: list[str] | None = None


class Row(Strict):
    """A line of the table.

    Attributes:
        overrides: The overrides of its run; None for another method, which is not run.
        by_data: Its own experiment, overrides and free keys by data set.
        network: The overrides of the network that is measured for it, whatever the data.
        stride: The stride of its upper bounds, in pixels.
        versus: The row that its mean IU is compared with; None for the one above.
    """

    id: str
    title: str
    overrides: list[str] | None = None
    by_data: dict[str, Own] = {}
    network: list[str] | None = None
    stride: Annotated[int, Field(ge=1)] | None = None
    versus: str | None = None
    paper: Printed = Printed()

    @property
    def is_ours(self) -> bool:
        """True if we train, measure or submit the row; rows of other methods are only printed."""
        own = any(own.overrides is not None for own in self.by_data.values())
        return own or (self.overrides, self.network, self.stride) != (None, None, None)


class Table(Strict):
    """A table of a paper. Its first data set is shown unless another one has more rows run.

    Attributes:
        picture: What is drawn below the table: predictions, or training losses as curves.
    """

    id: str
    title: str
    source: Source
    columns: Annotated[list[str], Field(min_length=1)] = list(Scores.model_fields)
    picture: Literal["predictions", "curves"] = "predictions"
    data: Annotated[dict[str, Data], Field(min_length=1)]
    rows: Annotated[list[Row], Field(min_length=1)]

    @model_validator(mode="after")
    def _ids_differ(self) -> Table:
        before = [stage.id for data in self.data.values() for stage in data.before]
        ids = [*dict.fromkeys(before), *(row.id for row in self.rows)]
        if twice := [each for each in ids if ids.count(each) > 1]:
            raise ValueError(f"two rows have the id {twice[0]}")
        if unknown := {row.versus for row in self.rows} - {None, *ids}:
            raise ValueError(f"`versus` names no row: {unknown.pop()}")
        for name in self.columns:
            if name.rpartition("/")[2] not in COLUMNS:
                raise ValueError(f"`columns` names no column: {name}")
        return self

    def columns_of(self, row: Row, data: str) -> list[str]:
        """Return the columns in which a row can have values of ours on a data set."""
        kinds = {
            "score": self.run_of(row, data) is not None,
            "run": self.run_of(row, data) is not None,
            "network": row.network is not None,
            "bound": row.stride is not None,
            "entered": row.is_ours,
        }
        return [name for name in self.columns if kinds[column(name).kind]]

    @property
    def file_name(self) -> str:
        """The id as part of a file's name."""
        return self.id.replace("/", "-")

    def run_of(self, row: Row, data: str) -> Stage | None:
        """The run of a row on a data set; None where it has none.

        Raises:
            ValueError: The table cannot be run on the data, or names no experiment for the row.
        """
        at, own = self.on(data), row.by_data.get(data, Own())
        overrides = own.overrides if own.overrides is not None else row.overrides
        if overrides is None:
            return None
        experiment = own.experiment or at.experiment
        if experiment is None:
            raise ValueError(f"{self.id} names no experiment for {row.id} on {data}.")
        free = at.free if own.free is None else own.free
        return Stage(experiment=experiment, id=row.id, overrides=overrides, free=free)

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
    """Return the ids of all tables: `cvpr2015/table2`."""
    top = experiments_dir()
    return sorted(str(path.relative_to(top).with_suffix("")) for path in top.rglob("*.yaml"))


def read_table(name: str) -> Table:
    """Read a table by its id, by the last part of it (`table2`), or a file of one's own: `my.yaml`.

    Raises:
        ValueError: There is no such file, there are several, or it does not describe a table.
    """
    if name.endswith(".yaml"):
        return _read(Path(name).stem, Path(name))
    ids = table_ids()
    found = [each for each in ids if name in (each, each.rpartition("/")[2])]
    if len(found) != 1:
        problem = f"Unknown table '{name}'" if not found else f"'{name}' names several tables"
        raise ValueError(f"{problem}. Choose from {', '.join(found or ids)}.")
    return _read(found[0], experiments_dir() / f"{found[0]}.yaml")


def _read(table_id: str, path: Path) -> Table:
    try:
        return Table.model_validate({"id": table_id, **read_yaml(path)})
    except TypeError as error:
        raise ValueError(f"{path} is not a table: it has no keys such as `rows`.") from error
    except ValidationError as error:
        raise ValueError(f"{path} is not a table; {_first_error(error)}") from error


def tables_on(data: str) -> list[Table]:
    """Read all tables that can be run on a data set.

    Raises:
        ValueError: There is none.
    """
    tables = [read_table(each) for each in table_ids()]
    if not (found := [table for table in tables if data in table.data]):
        known = sorted({name for table in tables for name in table.data})
        raise ValueError(f"No table has a data set '{data}'. Choose from {', '.join(known)}.")
    return found


def _first_error(error: ValidationError) -> str:
    """Return the first error with its place: "`rows.0.paper.fw_iu`: Field required."."""
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    return f"`{where}`: {first['msg']}." if where else f"{first['msg']}."
