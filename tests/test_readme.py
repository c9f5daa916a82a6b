from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import torch

from fcn_lightning.runs.compose import compose
from fcn_lightning.tables.criterion import stages_of
from fcn_lightning.tables.definitions import read_table, table_ids

README = Path(__file__).parents[1] / "README.md"


def test_the_library_example_runs() -> None:
    block = re.search(r"(    from fcn_lightning.*?)\n\n", README.read_text(), re.DOTALL)
    assert block is not None
    code = "\n".join(line[4:] for line in block[1].splitlines())
    code = code.replace('backbone="vgg16"', 'backbone="vgg16", fc_widths=(8, 8)')
    names = {"image": torch.zeros(2, 3, 40, 50, dtype=torch.uint8)}
    exec(code, names)
    assert names["scores"].shape == (2, 21, 40, 50)


COMMANDS = re.findall(r"`fcn table run ([a-z]\S* --data .*?)`", README.read_text())


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_of_a_table_composes(command: str) -> None:
    """The first row of each; tests/tables composes every row, without these overrides."""
    named, _, overrides = command.partition(" -- ")
    name, *options = shlex.split(named)
    given = dict(zip(options[::2], options[1::2]))
    table = read_table(name)
    rows = given.get("--rows", ",".join(row.id for row in table.rows)).split(",")
    assert {*rows} <= {row.id for row in table.rows}
    stages = stages_of(table, given["--data"])
    experiment = table.on(given["--data"]).experiment
    of_rows = [[f"experiment={s.experiment}", *s.overrides] for s in stages if s.id in rows]
    of_data = [f"experiment={experiment}"] if experiment else []
    config = compose([*(of_rows or [of_data])[0], *overrides.split()])
    assert config.data.root == "DIR"


def test_every_table_has_a_command() -> None:
    assert {read_table(each.split()[0]).id for each in COMMANDS} == {*table_ids()}
