"""`fcn data COMMAND`: data sets on disk."""

from __future__ import annotations

import typer

from fcn_lightning.cli import data_check, data_init

app = typer.Typer(help="The data on disk.", no_args_is_help=True)
app.command("check")(data_check.check)
app.command("init")(data_init.init)
