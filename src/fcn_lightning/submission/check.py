"""Faults for which VOC's test server would reject an archive.

Source: the VOC 2012 development kit, and reports of rejected archives.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath

from fcn_lightning.data.images import read_size
from fcn_lightning.data.voc import COUNTS
from fcn_lightning.submission.archive import Entry, read_entries
from fcn_lightning.submission.label_png import faults_of_png

FOLDER = "results/{year}/Segmentation/{competition}"
COMPETITION = "comp6_test_cls"
"""Segmentation, trained on any data: ImageNet's too."""

PLACE = re.compile(
    r"(?P<folder>results/(?P<year>VOC20\d\d)/Segmentation/comp[56]_test_cls)/(?P<id>[^/]+)\.png"
)


def check(path: Path, year: str, images: Mapping[str, Path] | None = None) -> list[str]:
    """Find what the server would reject in a .tgz or .zip archive; empty if nothing.

    Args:
        path: The archive.
        year: `VOC2012`.
        images: The image of each id of the test list; None to check all but ids and sizes.

    Returns:
        A sentence for each kind of fault, with the first file that has it.

    Raises:
        OSError: The archive cannot be read.
        ValueError: It is no archive, or an image cannot be read.
    """
    found: dict[str, list[str]] = {}
    ids: Counter[str] = Counter()
    folders: set[str] = set()
    for entry in read_entries(path):
        place = PLACE.fullmatch(entry.name.removeprefix("./"))
        if place is not None:
            ids[place["id"]] += 1
            folders.add(place["folder"])
        for kind, what in _faults_of_entry(entry, place, year, images):
            found.setdefault(kind, []).append(f"{PurePosixPath(entry.name).name} {what}")
    sentences = [f"{each[0]}{_more(len(each) - 1)}." for each in found.values()]
    if len(folders) > 1:
        sentences.append(f"The label maps lie in several folders: {', '.join(sorted(folders))}.")
    return sentences + list(_faults_of_ids(ids, year, images))


def _faults_of_entry(
    entry: Entry, place: re.Match[str] | None, year: str, images: Mapping[str, Path] | None
) -> Iterator[tuple[str, str]]:
    if entry.name.startswith("/") or ".." in PurePosixPath(entry.name).parts:
        yield "path", f"would be unpacked outside the folder, at {entry.name}"
    elif entry.problem is not None:
        yield "entry", entry.problem
    elif place is None or place["year"] != year:
        folder = FOLDER.format(year=year, competition=COMPETITION)
        yield "folder", f"lies at {entry.name}, not in {folder} (or comp5_test_cls)"
    elif images is None or place["id"] in images:
        size = read_size(images[place["id"]]) if images else None
        yield from faults_of_png(entry.content, size)


def _faults_of_ids(
    ids: Counter[str], year: str, images: Mapping[str, Path] | None
) -> Iterator[str]:
    if images is None:
        count = COUNTS.get(year, {}).get("test", len(ids))
        if len(ids) != count:
            yield f"The archive has {len(ids)} label maps; the test list of {year} has {count} ids."
    else:
        yield from _listed("listed id", "missing", images.keys() - ids.keys())
        yield from _listed("label map", "not in the test list", ids.keys() - images.keys())
    twice = {name for name, count in ids.items() if count > 1}
    yield from _listed("label map", "in the archive more than once", twice)


def _listed(noun: str, what: str, names: Collection[str]) -> Iterator[str]:
    if len(names) == 1:
        yield f"1 {noun} is {what}: {min(names)}."
    elif names:
        yield f"{len(names)} {noun}s are {what}; the first is {min(names)}."


def _more(count: int) -> str:
    return f" (and {count} more file{'s' if count > 1 else ''})" if count else ""
