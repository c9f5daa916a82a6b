"""`fcn VERB`: every command but training."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from fcn_lightning.cli import predict, tables, weights
from fcn_lightning.cli.errors import InputError, reported, sentence

app = typer.Typer(
    help="Fully convolutional networks: scores, tables and data. Training is `fcn-train`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(tables.app, name="table")
data_app = typer.Typer(help="The data on disk.", no_args_is_help=True)
app.add_typer(data_app, name="data")
app.command("predict")(predict.predict)
app.command("import")(weights.import_weights)
app.command("export")(weights.export_weights)

Debug = Annotated[bool, typer.Option(help="Full tracebacks.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON alone on standard output.")]


@app.command()
def evaluate(
    checkpoint: Annotated[Path, typer.Argument(help="A run's folder or a checkpoint file.")],
    data: Annotated[str | None, typer.Option(help="Other data than it was trained with.")] = None,
    data_root: Annotated[Path | None, typer.Option(help="Where the data is.")] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Scores a checkpoint again: the run's own digits, from nothing but it and the data."""
    from fcn_lightning.cli.evaluate import evaluate as scores_of

    with reported(debug):
        record = scores_of(checkpoint, data, data_root)
    if as_json:
        sys.stdout.write(json.dumps(record, indent=1) + "\n")
    else:
        _print_scores(record)


@app.command()
def compare(
    a: Annotated[Path, typer.Argument(help="A finished run's folder.")],
    b: Annotated[Path, typer.Argument(help="Another one, scored on the same images.")],
    debug: Debug = False,
) -> None:
    """The difference in mean IU between two runs, with its bootstrap interval over images."""
    from fcn_lightning.cli.evaluate import compare_runs

    titles = {"mean_iu": "mean IU", "mean_iu_subset": "mean IU of the named classes"}
    with reported(debug):
        for name, (of_a, of_b, low, high) in compare_runs(a, b).items():
            sys.stdout.write(
                f"{titles[name]}: {100 * of_a:.2f} - {100 * of_b:.2f} = {100 * (of_a - of_b):+.2f} "
                f"(95 % of resampled image sets: {100 * low:+.2f} to {100 * high:+.2f})\n"
            )


@app.command()
def fidelity(
    folder: Annotated[Path, typer.Argument(help="Files as the golden README has them.")] = Path(
        "tests/golden"
    ),
    as_json: AsJson = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="The table for a page.")] = False,
    debug: Debug = False,
) -> None:
    """Compares every golden value of a folder with ours; status 1 where a tolerance is exceeded."""
    from fcn_lightning.cli.fidelity import show
    from fcn_lightning.fidelity import check_folder

    with reported(debug):
        rows = check_folder(folder)
    show(rows, as_json=as_json, markdown=markdown)
    sys.exit(0 if all(row.ok for row in rows) else 1)


@data_app.command("check")
def check(
    name: Annotated[str, typer.Argument(help="A data config: voc, voc2012, voc_aug, shapes, ...")],
    data_root: Annotated[Path | None, typer.Option(help="Where the data is.")] = None,
    download: Annotated[bool, typer.Option("--download", help="Fetch what is missing.")] = False,
    debug: Debug = False,
) -> None:
    """Reads every image and label of a data set; status 1 where one of them is broken."""
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    from fcn_lightning.cli.compose import compose, must_have_reader
    from fcn_lightning.data.splits import describe

    with reported(debug):
        node = compose([f"data={name}"]).data
        must_have_reader(node)
        if data_root is not None:
            node.root = str(data_root)
        if OmegaConf.is_missing(node, "root"):
            raise InputError(f"The place of {name} must be given; add --data-root DIR.")
        if download and "download" in node:
            node.download = True
        splits = instantiate(node, _convert_="all")
    sys.stdout.write(f"{splits.name}: {describe(splits.lists)}\n")
    broken = 0
    for part, dataset in (("training", splits.train), ("validation", splits.val)):
        for i in track(range(len(dataset)), description=part, console=Console(stderr=True)):
            try:
                dataset[i]
            except ValueError as error:
                broken += 1
                sys.stdout.write(f"{sentence(error)}\n")
    sys.stdout.write(f"{broken} of {len(splits.train) + len(splits.val)} images are broken\n")
    sys.exit(1 if broken else 0)


def _print_scores(record: dict[str, Any]) -> None:
    """The scores of an evaluation as a table, in percent, with all the digits that they have."""
    console = Console()
    console.print(
        f"{record['checkpoint']}, step {record['step']}, on {record['num_images']} images of "
        f"{record['split']} ({record['data']})"
    )
    table = Table("score", "value")
    for name, value in record["scores"].items():
        table.add_row(name, repr(value))
    for name, value in record["class_iu"].items():
        table.add_row(f"IU of {name}", "-" if value is None else repr(value))
    console.print(table)


def main() -> None:
    """The command."""
    app()


if __name__ == "__main__":
    main()
