"""Scores that a test server answered, entered by hand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date as Date

from fcn_lightning.tables.columns import column
from fcn_lightning.tables.definitions import Table
from fcn_lightning.tables.values import Values


def entered(table: Table, row: str, data: str, scores: Sequence[str], date: str) -> Values:
    """Read scores as they are typed, `voc2012_test=62.2`, in percent.

    Args:
        table: The table.
        row: The id of a row of ours.
        data: The data set that the network was trained on.
        scores: At least one.
        date: The date of the server's answer, as 2026-11-28.

    Raises:
        ValueError: The table has no such row, column or data, or a value does not read so.
    """
    table.on(data)
    known = [each.id for each in table.rows if each.is_ours]
    if row not in known:
        raise ValueError(f"{table.id} has no row '{row}' of ours. Choose from {', '.join(known)}.")
    try:
        answered = Date.fromisoformat(date)
    except ValueError as error:
        raise ValueError(f"`--date` takes a date such as 2026-11-28; got '{date}'.") from error
    columns = [name for name in table.columns if column(name).kind == "entered"]
    if not columns:
        raise ValueError(f"{table.id} has no column of a test server.")
    return Values(
        table=table.id,
        row=row,
        data=data,
        values=dict(_read(each, columns) for each in scores),
        how=f"the test server's answer of {answered}, entered by hand",
    )


def _read(typed: str, columns: Sequence[str]) -> tuple[str, float]:
    name, _, value = typed.partition("=")
    if name not in columns:
        raise ValueError(f"Unknown column '{name}'. Use {' or '.join(columns)}, as COLUMN=PERCENT.")
    if not re.fullmatch(r"\d+(\.\d+)?", value) or not 1 <= float(value) <= 100:
        raise ValueError(f"`{typed}` must give percent, as the server prints it: {name}=62.2.")
    return name, float(value) / 100
