"""A data config and a class file for a folder, guessed from its files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import permutations, takewhile
from pathlib import Path
from typing import Any

import numpy as np

from fcn_lightning.data import label_files
from fcn_lightning.data.classes import content_of
from fcn_lightning.data.folder import SPLITS
from fcn_lightning.data.pairs import SUFFIXES, Folder, files_in, stems
from fcn_lightning.labels import VOID, Color, voc_palette

LABELS = ("label", "mask", "annotation", "gt", "seg", "truth")
"""Parts of the names of folders, or ends of the names of files, of labels."""

LISTS = {split: tuple(f"{name}.txt" for name in names) for split, names in SPLITS.items()}
CLASS_FILES = ("classes.yaml", "classes.yml", "classes.txt", "labels.txt", "names.txt")

MOST_COLORS = 255


@dataclass
class Guess:
    """The result of guessing at a folder.

    Attributes:
        config: The keys of the data config that differ from `data=folder`.
        classes: The content of a class file.
        said: A sentence for each guess.
    """

    config: dict[str, Any] = field(default_factory=dict)
    classes: Any = None
    said: list[str] = field(default_factory=list)


def guess(root: Path) -> Guess:
    """Guess the folders, suffixes, splits and classes of the images and labels below a folder.

    Raises:
        FileNotFoundError: The folder does not exist.
        ValueError: No images with labels were found in it.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is not a folder.")
    found = Guess()
    folder = _folder(root, found)
    _splits(root, folder, found)
    _classes(root, folder, found)
    return found


def _folder(root: Path, found: Guess) -> Folder:
    """Find the two folders, at most two levels down, and the suffixes with the most pairs.

    The folders are common to all splits (`images/train/`), or below each (`train/images/`).
    """
    places = [root, *sorted(root.glob("*/")), *sorted(root.glob("*/*/"))]
    holding = [place for place in places if not _is_part(place, root) and any(files_in(place))]
    candidates = [
        folder
        for images in holding
        for labels in holding
        if images == labels or not (_within(images, labels) or _within(labels, images))
        for folder in _with_suffixes(images, labels)
    ]
    below = sorted({place.name for place in root.glob("*/*/") if _is_part(place, root)})
    candidates += [
        folder
        for images, labels in permutations(below, 2)
        for folder in _with_suffixes(root / "*" / images, root / "*" / labels)
    ]
    best = max(candidates, key=_fit, default=None)
    if best is None or not best.pairs:
        raise ValueError(
            f"No images with labels were found below {root}. Labels are "
            f"{', '.join(sorted(label_files.SUFFIXES))} files with the names of their images, in a "
            "folder of their own or with a suffix such as _mask."
        )
    found.config |= {
        "root": str(root.resolve()),
        "images": best.images.relative_to(root).as_posix(),
        "labels": best.labels.relative_to(root).as_posix(),
    }
    found.said.append(f"{len(best.pairs)} images in {best.images}, labels in {best.labels}.")
    for key in ("image_suffix", "label_suffix"):
        if suffix := getattr(best, key):
            found.config[key] = suffix
            found.said.append(f"The names of {key.split('_')[0]}s end in {suffix}.")
    found.said += best.remarks
    return best


_SPLIT_NAMES = {name for names in SPLITS.values() for name in names}


def _is_part(place: Path, root: Path) -> bool:
    """Tell if a folder is hidden, or that of a split or below it."""
    names = place.relative_to(root).parts
    return any(name.startswith(".") or name.lower() in _SPLIT_NAMES for name in names)


def _within(a: Path, b: Path) -> bool:
    return a != b and a.is_relative_to(b)


def _with_suffixes(images: Path, labels: Path) -> list[Folder]:
    """The folders without suffixes, and with the suffixes by which the first names differ."""
    plain = Folder(images, labels)
    of_images = [name for name, _ in stems(images, SUFFIXES)]
    of_labels = [name for name, _ in stems(labels, label_files.SUFFIXES)]
    if not (of_images and of_labels):
        return []
    folders = [plain] if images != labels else []
    for stem in of_labels[:20]:
        nearest = max(of_images, key=lambda other: (len(_common(stem, other)), -len(other)))
        if nearest == stem:
            others = [other for other in of_images if other != stem and stem.startswith(other)]
            if images != labels or not others:
                continue
            nearest = max(others, key=len)
        common = _common(stem, nearest).rstrip("_-. ")
        suffixes = nearest[len(common) :], stem[len(common) :]
        if common and all(not any(c.isdigit() or c == "/" for c in each) for each in suffixes):
            folders.append(Folder(images, labels, *suffixes))
    return list(dict.fromkeys(folders))


def _common(a: str, b: str) -> str:
    """The beginning that two strings share."""
    return "".join(x for x, _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b)))


def _fit(folder: Folder) -> tuple[int, int, int, int]:
    """The quality of a fit: the number of pairs, and whether names identify the labels."""
    where = f"{folder.labels.name} {folder.label_suffix}".lower()
    images = f"{folder.images.name} {folder.image_suffix}".lower()
    named = sum(part in where for part in LABELS) - sum(part in images for part in LABELS)
    depth = len(folder.images.parts) + len(folder.labels.parts)
    return len(folder.pairs), named, -len(folder.image_suffix + folder.label_suffix), depth


def _splits(root: Path, folder: Folder, found: Guess) -> None:
    """Find lists of ids, or the folders of splits."""
    places = {path.name.lower(): path for path in files_in(root) if path.suffix == ".txt"}
    lists = {
        split: places[name] for split, names in LISTS.items() for name in names if name in places
    }
    if lists:
        own = {split: path.relative_to(root).as_posix() for split, path in lists.items()}
        found.config |= own
        found.said.append(f"Splits by the lists {', '.join(own.values())}.")
        return
    tops = {name.partition("/")[0] for name in folder.pairs}
    used = [split for split, names in SPLITS.items() if tops & set(names)]
    found.said.append(
        f"Splits by the folders {', '.join(sorted(tops & _SPLIT_NAMES))}."
        if {"train", "val"} <= set(used)
        else "No lists and no folders train and val: a fifth of the images is scored."
    )


def _classes(root: Path, folder: Folder, found: Guess) -> None:
    """Read the class file that is there, or make one of the values or colors in label files."""
    labels = [label for _, label in folder.pairs.values()]
    looked_at = labels[:: max(1, len(labels) // 50)][:50]
    values, colors, modes = _contents(looked_at)
    found.said.append(f"Looked at {len(looked_at)} labels, of {' and '.join(sorted(modes))}.")
    for path in (root / name for name in CLASS_FILES):
        if path.is_file():
            found.classes = content_of(str(path))
            found.said.append(f"Classes from {path}.")
            return
    if colors:
        _of_colors(colors, found)
    else:
        _of_values(sorted(values), found)


def _of_colors(colors: Sequence[Color], found: Guess) -> None:
    names = _voc_names(colors)
    void = [color for color in colors if color == tuple(voc_palette()[VOID].tolist())]
    found.classes = {
        "classes": [
            {"name": names[color], "color": list(color)} for color in colors if color not in void
        ],
        "void_colors": [list(color) for color in void],
    }
    found.said.append(f"RGB masks of {len(colors)} colors; fill in the names of the classes.")


def _voc_names(colors: Sequence[Color]) -> dict[Color, str]:
    black = (0, 0, 0)
    return {
        color: "background" if color == black else f"class{place}"
        for place, color in enumerate(colors)
    }


def _of_values(values: Sequence[int], found: Guess) -> None:
    """Name the classes of values: binary labels, 0 to n, or others, which need a map."""
    rest = [value for value in values if value != VOID]
    if len(values) == 2 and VOID in values:
        found.classes = [
            {"name": "background", "values": [rest[0]]},
            {"name": "foreground", "values": [VOID]},
        ]
        found.config["void"] = None
        found.said.append(
            f"The values are {rest[0]} and {VOID}: taken for background and foreground, not void."
        )
        return
    names = ["background" if value == 0 else f"class{value}" for value in rest]
    if rest == list(range(len(rest))):
        found.classes = names
        found.said.append(f"The values are {label_files.in_words(values)}: {len(rest)} classes.")
    else:
        found.classes = [{"name": n, "values": [v]} for n, v in zip(names, rest)]
        found.said.append(
            f"The values are {label_files.in_words(values)}: {len(rest)} classes, with a map in "
            "the class file."
        )
    if VOID in values:
        found.said.append(f"{VOID} is taken for void.")


def _contents(paths: Sequence[Path]) -> tuple[set[int], list[Color], set[str]]:
    """The values, or the colors, in some label files, and their kinds.

    Raises:
        ValueError: A file cannot be read, or there are more colors than there can be classes.
    """
    values: set[int] = set()
    colors: dict[Color, None] = {}
    kinds: set[str] = set()
    for path in paths:
        pixels = label_files.read_pixels(path)
        flat = pixels.reshape(-1, 3) if pixels.ndim == 3 else None
        if flat is None or (flat == flat[:, :1]).all():
            values |= set(np.unique(pixels).tolist())
            kinds.add("indices or grey values")
        else:
            kinds.add("RGB colors")
            colors |= dict.fromkeys((r, g, b) for r, g, b in np.unique(flat, axis=0).tolist())
    if colors:
        colors |= dict.fromkeys((v, v, v) for v in sorted(values))
    if len(colors) > MOST_COLORS:
        raise ValueError(
            f"The labels have {len(colors)} colors, more than there can be classes. Masks that "
            "were saved as JPEG or scaled smoothly are no labels."
        )
    return values, sorted(colors), kinds
