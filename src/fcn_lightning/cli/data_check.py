"""`fcn data check NAME`: the files of a data set, their contents, and those that are broken."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import track

from fcn_lightning.cli.data_report import contents_lines, contents_record, inventory_lines
from fcn_lightning.cli.errors import reported

if TYPE_CHECKING:
    from fcn_lightning.data import SegmentationDataset
    from fcn_lightning.data.contents import Contents
    from fcn_lightning.labels import LabelSets

OPTIONS = {
    "`data.root` or `data.voc_root`": "--data-root",
    "`data.root` or `data.sbd_root`": "--data-root",
    "`data.root`": "--data-root",
    "`data.download=true`": "--download",
}
"""Keys in messages, and the options of this command that set them."""


def check(
    name: Annotated[str, typer.Argument(help="A data config: voc, nyud, siftflow, shapes, ...")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="data.images=DIR, ...")
    ] = None,
    data_root: Annotated[Path | None, typer.Option(help="Where the data is.")] = None,
    download: Annotated[bool, typer.Option("--download", help="Fetch what is missing.")] = False,
    config_dir: Annotated[
        Path | None, typer.Option(help="A folder with configs of your own, as of fcn-train.")
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option(help="A PNG of images with their labels; for a folder of your own, NAME.png."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False,
    traceback: Annotated[bool, typer.Option("--traceback", help="Full tracebacks.")] = False,
) -> None:
    """Check a data set: its lists and files first, then every image and label.

    Prints what is there, sizes, void and the frequency of each class, and everything that is wrong
    or suspicious. Exit status 1 if an image or label is broken or suspicious, 2 if something is
    missing.
    """
    from fcn_lightning.data.splits import describe
    from fcn_lightning.files import check_target
    from fcn_lightning.runs.data import complete_config, data_config, read_data, take_inventory

    write = (lambda _: None) if as_json else sys.stdout.write
    with reported(traceback):
        changed = {"download": True} if download else {}
        node = complete_config(data_config(name, changed, data_root, config_dir, overrides or ()))
        own = node._target_ == "fcn_lightning.data.folder.read"
        if path := sheet or (Path(f"{node.name}.png") if own else None):
            check_target(path, overwrite=True)
        inventory = take_inventory(node)
    complete = not inventory.missing
    record: dict[str, Any] = {"name": node.name, "complete": complete, **asdict(inventory)}
    write(f"{node.name}\n{inventory_lines(inventory)}")
    sys.stdout.flush()
    if not complete:
        _write_json(record, as_json)
        sys.stderr.write("".join(f"{_with_options(text)}\n" for text in inventory.missing))
        sys.exit(2)
    with reported(traceback):
        splits = read_data(node)
    write(f"{describe(splits.lists)}\n")
    if inventory.official_num_train not in (None, splits.lists["num_train"]):
        write(f"the official number of training images is {inventory.official_num_train}\n")
    datasets = {"training": splits.train, "validation": splits.val}
    datasets |= {"test": splits.test} if splits.test else {}
    contents = {title: _read(title, dataset) for title, dataset in datasets.items()}
    write(contents_lines(contents, splits.remarks))
    record |= {key: splits.lists[key] for key in ("num_train", "num_left_out")}
    record |= {"remarks": splits.remarks}
    record["splits"] = {title: contents_record(part) for title, part in contents.items()}
    if path:
        with reported(traceback):
            _write_sheet(path, splits.labels, datasets)
        write(f"contact sheet: {path}\n")
    _write_json(record, as_json)
    broken = sum(len(part.broken) for part in contents.values())
    write(f"{broken} of {sum(map(len, datasets.values()))} images are broken\n")
    wrong = broken or splits.remarks or any(part.suspicious for part in contents.values())
    sys.exit(1 if wrong else 0)


def _with_options(text: str) -> str:
    for key, option in OPTIONS.items():
        text = text.replace(key, option)
    return text


def _read(title: str, dataset: SegmentationDataset) -> Contents:
    """Read all examples, with a progress bar on standard error."""
    from fcn_lightning.data.contents import Contents, read_contents

    contents, console = Contents(dataset.labels), Console(stderr=True)
    reading = read_contents(dataset)
    for part in track(reading, description=title, total=len(dataset), console=console):
        contents = part
    return contents


def _write_sheet(
    path: Path, labels: LabelSets, datasets: Mapping[str, SegmentationDataset]
) -> None:
    from fcn_lightning.contact_sheet import cells_of, draw_sheet
    from fcn_lightning.labels import by_name

    draw_sheet(cells_of(datasets), next(iter(by_name(labels).values()))).save(path)


def _write_json(record: dict[str, Any], as_json: bool) -> None:
    if as_json:
        sys.stdout.write(f"{json.dumps(record, indent=1, default=str)}\n")
