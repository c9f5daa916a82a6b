import pytest

from fcn_lightning.tables.definitions import Table, read_table


@pytest.fixture
def table() -> Table:
    return read_table("table2")
