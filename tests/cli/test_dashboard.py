import json

import pytest
from typer.testing import CliRunner

from fcn_lightning.cli import dashboard, fcn

NEEDED = ("dashboard", "--entity", "me", "--project", "fcn")


def test_json_is_alone_and_has_what_would_be_sent():
    result = CliRunner().invoke(fcn.app, [*NEEDED, "table2", "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert list(found["reports"]) == ["cvpr2015-table2: Skip architectures, from coarse to fine"]
    assert found["workspace"]["section"]["settings"]["xAxis"] == "trainer/global_step"


def test_without_the_package_the_pip_command_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(dashboard, "find_spec", lambda name: None)
    result = CliRunner().invoke(fcn.app, [*NEEDED, "--dry-run"])
    assert (result.exit_code, result.stderr) == (
        2,
        "`fcn dashboard` needs wandb-workspaces. Install it with pip install "
        "'fcn-lightning[dashboards]'.\n",
    )
