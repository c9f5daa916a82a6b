"""`fcn data check NAME`: the files of a data set, their contents, and those that are broken."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import track

from fcn_lightning.cli.errors import reported

if TYPE_CHECKING:
    from fcn_lightning.data import SegmentationDataset
    from fcn_lightning.data.contents import Contents
    from fcn_lightning.data.inventory import Inventory

OPTIONS = {
    "`data.root` or `data.voc_root`": "--data-root",
    "`data.root` or `data.sbd_root`": "--data-root",
    "`data.root`": "--data-root",
    "`data.download=true`": "--download",
}
"""Keys in messages, and the options of this command that set them."""

app = typer.Typer(help="The data on disk.", no_args_is_help=True)


@app.callback()
def _data() -> None:
    """Make `check` a subcommand, though there is no other one yet."""


@app.command()
def check(
    name: Annotated[str, typer.Argument(help="A data config: voc, nyud, siftflow, shapes, ...")],
    data_root: Annotated[Path | None, typer.Option(help="Where the data is.")] = None,
    download: Annotated[bool, typer.Option("--download", help="Fetch what is missing.")] = False,
    config_dir: Annotated[
        Path | None, typer.Option(help="A folder with configs of your own, as of fcn-train.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False,
    traceback: Annotated[bool, typer.Option("--traceback", help="Full tracebacks.")] = False,
) -> None:
    """Check a data set: its lists and files first, then every image and label.

    Prints what is there, sizes, void and the frequency of each class. Exit status 1 if an image or
    label is broken, 2 if something is missing.
    """
    from fcn_lightning.data.splits import describe
    from fcn_lightning.runs.data import complete_config, data_config, read_data, take_inventory

    write = (lambda _: None) if as_json else sys.stdout.write
    with reported(traceback):
        changed = {"download": True} if download else {}
        node = complete_config(data_config(name, changed, data_root, config_dir))
        inventory = take_inventory(node)
    complete = not inventory.missing
    record: dict[str, Any] = {"name": node.name, "complete": complete, **asdict(inventory)}
    write(f"{node.name}\n{_inventory_lines(inventory)}")
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
    contents = {
        "training": _read("training", splits.train),
        "validation": _read("validation", splits.val),
    }
    write(_contents_lines(contents))
    broken = sum(len(part.damaged) + len(part.out_of_range) for part in contents.values())
    write(f"{broken} of {len(splits.train) + len(splits.val)} images are broken\n")
    record |= {key: splits.lists[key] for key in ("num_train", "num_left_out")}
    record["splits"] = {title: _contents_record(part) for title, part in contents.items()}
    _write_json(record, as_json)
    sys.exit(1 if broken else 0)


def _with_options(text: str) -> str:
    for key, option in OPTIONS.items():
        text = text.replace(key, option)
    return text


def _inventory_lines(inventory: Inventory) -> str:
    """Format the lists and files, one a line."""
    rows = []
    for row in inventory.lists:
        differs = row.official not in (None, row.count)
        count = f"{row.count} id{'' if row.count == 1 else 's'}"
        count += f", officially {row.official}" if differs else ""
        shipped = "in the package" if row.path is None and row.official is not None else ""
        rows.append((row.name, count, shipped or str(row.path or "")))
    for files in inventory.files:
        kind = f"{files.source} {files.kind}" + ("" if files.needed == 1 else "s")
        rows.append((kind, f"{files.found} of {files.needed}", str(files.folder)))
    return _columns(rows)


def _read(title: str, dataset: SegmentationDataset) -> Contents:
    """Read all examples, with a progress bar on standard error."""
    from fcn_lightning.data.contents import Contents, read_contents

    contents, console = Contents(dataset.labels), Console(stderr=True)
    reading = read_contents(dataset)
    for part in track(reading, description=title, total=len(dataset), console=console):
        contents = part
    return contents


def _contents_lines(contents: dict[str, Contents]) -> str:
    """Format the broken files, the sizes, and a table for each head."""
    from fcn_lightning.labels import by_name

    lines = []
    for title, part in contents.items():
        lines += [f"{title}: {text}" for text in (*part.damaged, *part.out_of_range)]
    for title, part in contents.items():
        sizes = "no size"
        if part.smallest and part.largest:
            sizes = " to ".join(f"{h} x {w}" for h, w in (part.smallest, part.largest))
        lines.append(f"{title}: {part.num_images} images, h x w of {sizes}")
    text = "".join(f"{line}\n" for line in lines)
    heads = by_name(next(iter(contents.values())).labels)
    for head, labels in heads.items():
        rows = [(f"{head} class, % of valid pixels".strip(), *contents)]
        frequencies = zip(*(part.frequencies(head) for part in contents.values()))
        rows += [(name, *map(_percent, own)) for name, own in zip(labels.classes, frequencies)]
        rows.append(
            ("void, % of all pixels", *(_percent(part.void(head)) for part in contents.values()))
        )
        text += _columns(rows)
    return text


def _contents_record(part: Contents) -> dict[str, Any]:
    from fcn_lightning.labels import by_name

    return {
        "num_images": part.num_images,
        "damaged": part.damaged,
        "out_of_range": part.out_of_range,
        "smallest": part.smallest,
        "largest": part.largest,
        "heads": {
            head: {
                "void": _finite(part.void(head)),
                "classes": dict(zip(labels.classes, map(_finite, part.frequencies(head)))),
            }
            for head, labels in by_name(part.labels).items()
        },
    }


def _write_json(record: dict[str, Any], as_json: bool) -> None:
    if as_json:
        sys.stdout.write(f"{json.dumps(record, indent=1, default=str)}\n")


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _percent(value: float) -> str:
    return f"{100 * value:.2f}" if math.isfinite(value) else "-"


def _columns(rows: Sequence[Sequence[str]]) -> str:
    """Align the cells of rows."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ("  ".join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip() for row in rows)
    return "".join(f"  {line}\n" for line in lines)
