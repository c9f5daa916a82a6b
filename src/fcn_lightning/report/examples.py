"""The images that a report shows: best, median and worst, and where two rows disagree most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy import ndarray

from fcn_lightning.data.images import open_image
from fcn_lightning.labels import VOID
from fcn_lightning.report.measured import Member
from fcn_lightning.report.per_image import PerImage, read_per_image
from fcn_lightning.report.pictures import Picture, label_map, photograph

NUM_DISAGREEMENTS = 2


@dataclass(frozen=True)
class Example:
    """An image with its label and the prediction of each row.

    Attributes:
        reasons: Why it is shown.
        images: By modality; the first one has the name "image".
        predictions: The mean IU on this image, and the picture, in the order of the rows.
    """

    name: str
    reasons: list[str]
    images: dict[str, Picture]
    label: Picture
    predictions: list[tuple[float, Picture]]


@dataclass(frozen=True)
class Examples:
    """The images that are shown, of those of which all rows have pictures.

    Attributes:
        titles: The rows, in the order of the predictions.
        num_images: How many images were ranked.
        num_scored: How many images were scored.
    """

    titles: list[str]
    num_images: int
    num_scored: int
    shown: list[Example]


def examples(members: Sequence[Member]) -> Examples | None:
    """Choose images by the lowest seed of each row; None where the rows share no picture."""
    found = [(each, read_per_image(each.row.first.folder, each.head)) for each in members]
    ranked = [(each, file) for each, file in found if file and _pictured(each, file)]
    if not ranked:
        return None
    names = sorted(set.intersection(*(_pictured(each, file) for each, file in ranked)))
    if not names:
        return None
    scores = np.array([_scores(file, names) for _, file in ranked])
    kept = [each for each, _ in ranked]
    reasons = _by_score(names, scores)
    for name, why in _by_disagreement(names, kept):
        reasons.setdefault(name, []).append(why)
    shown = [
        _example(name, why, kept, scores[:, names.index(name)]) for name, why in reasons.items()
    ]
    titles = [each.row.title for each in kept]
    return Examples(titles, len(names), len(ranked[0][1].names), shown)


def _pictured(member: Member, file: PerImage) -> set[str]:
    return {name for name in file.names if _path(member, name, "prediction").is_file()}


def _path(member: Member, name: str, kind: str) -> Path:
    part = f".{member.head}" if member.head else ""
    return _pictures(member, name, f"{part}.{kind}.png")


def _pictures(member: Member, name: str, ending: str) -> Path:
    file_name = name.replace("/", "_")  # as a run writes ids with subfolders
    return member.row.first.folder / "pictures" / f"{file_name}{ending}"


def _scores(file: PerImage, names: Sequence[str]) -> list[float]:
    by_name = dict(zip(file.names, file.mean_iu.tolist()))
    return [by_name[name] for name in names]


def _by_score(names: Sequence[str], scores: ndarray) -> dict[str, list[str]]:
    """Choose the best, the median and the worst image by mean IU, averaged over the rows."""
    means, over = scores.mean(0), " on average over the rows" if len(scores) > 1 else ""
    order = np.argsort(-means, kind="stable")
    chosen: dict[str, list[str]] = {}
    for word, place in (("Best", 0), ("Median", len(order) // 2), ("Worst", -1)):
        index = order[place]
        why = f"{word}: mean IU {100 * means[index]:.1f}{over}"
        chosen.setdefault(names[index], []).append(why)
    return chosen


def _by_disagreement(names: Sequence[str], members: Sequence[Member]) -> list[tuple[str, str]]:
    """Choose the images in which the predictions of two rows differ in most pixels."""
    found = []
    for name in names:
        valid = _values(_path(members[0], name, "label")) != VOID
        maps = [_values(_path(each, name, "prediction"))[valid] for each in members]
        shares = [
            (float((maps[a] != maps[b]).mean()), a, b)
            for a, b in combinations(range(len(maps)), 2)
            if maps[a].shape == maps[b].shape
        ]
        if shares and (most := max(shares))[0] > 0:
            found.append((*most, name))
    titles = [each.row.title for each in members]
    return [
        (name, f"{titles[a]} and {titles[b]} differ in {100 * share:.1f} % of its pixels")
        for share, a, b, name in sorted(found, reverse=True)[:NUM_DISAGREEMENTS]
    ]


def _values(path: Path) -> ndarray:
    with open_image(path) as file:
        return np.asarray(file)


def _example(name: str, reasons: list[str], members: Sequence[Member], scores: ndarray) -> Example:
    first = members[0]
    images = {"image": photograph(_pictures(first, name, ".image.png"))}
    for modality in first.row.first.record.names_of("modalities")[1:]:
        images[modality] = photograph(_pictures(first, name, f".{modality}.image.png"))
    predictions = [label_map(_path(each, name, "prediction")) for each in members]
    label = label_map(_path(first, name, "label"))
    return Example(name, reasons, images, label, list(zip(scores.tolist(), predictions)))
