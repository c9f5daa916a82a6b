"""Values of rows that are no scores of runs: measured without training, or entered by hand."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fcn_lightning.files import replacing
from fcn_lightning.runs.environment import commit
from fcn_lightning.tables.definitions import Row, Table

ENDING = ".values.json"


class Values(BaseModel):
    """Values in columns of a row, and how they were found: the content of a `.values.json`.

    Attributes:
        table: The table's id.
        row: The row's id.
        data: The data set in the command; None for values that do not depend on one.
        values: By column, in the units of `tables.columns`.
        network: The overrides of the network that was measured; they count as long as the row still
            has the same.
        how: How they were found: the images, the processor, or the date of a server's answer.
        written: When, as 2026-11-28.
    """

    model_config = ConfigDict(extra="ignore")

    format: Literal[1] = 1
    table: str
    row: str
    data: str | None
    values: dict[str, float]
    network: list[str] | None = None
    how: str
    commit: str = Field(default_factory=lambda: commit() or "unknown")
    written: str = Field(default_factory=lambda: time.strftime("%Y-%m-%d"))

    def counts_for(self, table: Table, row: Row, data: str) -> bool:
        """Tell whether they belong to a row of a table on a data set, as it is defined now."""
        names = (self.table, self.row) == (table.id, row.id) and self.data in (None, data)
        return names and (self.network is None or self.network == row.network)

    def write(self, runs: Path, kind: str) -> Path:
        """Write them below `runs`/tables, in place of those of the same row, data and kind."""
        parts = [self.table.replace("/", "-"), self.row, *filter(None, [self.data]), kind]
        path = runs / "tables" / ("-".join(parts) + ENDING)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            temporary.write_text(self.model_dump_json(indent=1) + "\n")
        return path


def read_values(runs: Path) -> list[Values]:
    """Read all values below a folder, wherever they were moved to, the oldest first.

    Raises:
        ValueError: A file cannot be read.
    """
    paths = sorted(runs.rglob(f"*{ENDING}"), key=lambda path: path.stat().st_mtime)
    return [_read(path) for path in paths]


def _read(path: Path) -> Values:
    try:
        return Values.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ValueError(
            f"{path} does not hold values of a table (`{where}`: {first['msg']}). Delete it and "
            "measure or enter them again."
        ) from error
