"""The report of `fcn data check`: lines for people, and plain values for JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fcn_lightning.data.contents import Contents
    from fcn_lightning.data.inventory import Inventory


def inventory_lines(inventory: Inventory) -> str:
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


def contents_lines(contents: dict[str, Contents], remarks: Sequence[str]) -> str:
    """Format everything that is wrong, images that are turned, sizes, and a table for each head."""
    from fcn_lightning.labels import by_name

    lines = list(remarks)
    for title, part in contents.items():
        found = (*part.broken, *part.suspicious, *part.oriented)
        lines += [f"{title}: {text}" for text in found]
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


def contents_record(part: Contents) -> dict[str, Any]:
    """The contents of a split as plain values."""
    from fcn_lightning.labels import by_name

    return {
        "num_images": part.num_images,
        "damaged": part.damaged,
        "out_of_range": part.out_of_range,
        "suspicious": part.suspicious,
        "oriented": [str(each) for each in part.oriented],
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


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _percent(value: float) -> str:
    return f"{100 * value:.2f}" if math.isfinite(value) else "-"


def _columns(rows: Sequence[Sequence[str]]) -> str:
    """Align the cells of rows."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ("  ".join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip() for row in rows)
    return "".join(f"  {line}\n" for line in lines)
