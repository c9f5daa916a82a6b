"""Images and labels of one's own: a folder of each, and a class file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fcn_lightning.data.classes import read_classes
from fcn_lightning.data.dataset import Example, File
from fcn_lightning.data.images import read_image
from fcn_lightning.data.label_files import LabelReader
from fcn_lightning.data.pairs import SUFFIXES, Folder
from fcn_lightning.data.splits import Splits, splits_of
from fcn_lightning.text_files import read_lines

SPLITS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
"""The names that the folder of a split may have."""


def read(
    name: str,
    images: str,
    labels: str,
    classes: str | Sequence[Any] | Mapping[str, Any],
    root: str | None = None,
    train: str | None = None,
    val: str | None = None,
    test: str | None = None,
    val_fraction: float = 0.2,
    split_seed: int = 0,
    void: int | Sequence[int] | None = 255,
    image_suffix: str | None = None,
    label_suffix: str | None = None,
    average_over: Sequence[str] = (),
    allow_overlap: bool = False,
) -> Splits:
    """Make splits of a folder.

    The splits are those of the lists `train`, `val` and `test`; without lists, those of the
    subfolders `train`, `val` and `test`; without subfolders, a fraction of the images is scored.
    Images without a label are left out, and named in `Splits.remarks`.

    Args:
        name: The name of the data set in records.
        images: The folder of images; `*/images` for that of each split's folder.
        labels: The folder of labels, likewise: a file of the same name for each image, in the same
            subfolder.
        classes: A class file, or its content (`fcn_lightning.data.classes`).
        root: The folder that relative paths start from; None for the working directory.
        train: A file with one id a line; None for the images of no other list.
        val: A file with the ids of the images to score; None for the images of no other list.
        test: A file with the ids of test images; None for none.
        val_fraction: The fraction of images to score where there are neither lists nor folders.
        split_seed: Chooses these images. An image that is added does not move another one from one
            split to the other, except at the border of the fraction.
        void: The values of void in label files, unless the class file gives them to a class.
        image_suffix: The end of all names of images, before the extension.
        label_suffix: The end of all names of labels.
        average_over: Classes whose mean IU is reported in addition to that of all classes.
        allow_overlap: Images that are scored may be trained on.

    Raises:
        FileNotFoundError: A folder or file is missing.
        ValueError: No image has a label, the class file or a list is wrong, or a split is empty.
    """
    top = Path(root or "")
    folder = Folder(top / images, top / labels, image_suffix or "", label_suffix or "")
    folder.require()
    if isinstance(classes, str):
        classes = str(top / classes)
    voids = _voids(void)
    reader = LabelReader(read_classes(classes), voids)
    lists = {"train": train, "val": val, "test": test}
    if files := {split: top / path for split, path in lists.items() if path}:
        ids = _of_lists(files, folder)
    else:
        ids = _of_folders(folder)
        if not (ids["train"] and ids["val"]):
            rest = sorted(folder.pairs.keys() - ids["test"])
            ids |= _of_fraction(rest, val_fraction, split_seed, allow_overlap)
    used = {each for own in ids.values() for each in own}
    unused = [each for each in folder.pairs if each not in used]
    examples = {
        split: [_example(folder, each, reader) for each in own] for split, own in ids.items()
    }
    return splits_of(
        name,
        reader.classes.label_set(name, voids),
        lambda split: examples[split.rpartition("/")[2]],
        [f"{name}/train"],
        f"{name}/val",
        average_over,
        test=f"{name}/test" if ids["test"] else None,
        allow_overlap=allow_overlap,
        remarks=[*folder.remarks, *_of_no_split(unused)],
    )


def _of_no_split(ids: Sequence[str]) -> list[str]:
    if not ids:
        return []
    return [f"{len(ids)} labeled images are in no split; the first is {ids[0]}."]


def _example(folder: Folder, name: str, reader: LabelReader) -> Example:
    image, label = folder.pairs[name]
    return Example(name, File(image, read_image), File(label, reader))


def _voids(void: int | Sequence[int] | None) -> tuple[int, ...]:
    if void is None:
        return ()
    return (void,) if isinstance(void, int) else tuple(void)


def _of_lists(files: Mapping[str, Path], folder: Folder) -> dict[str, list[str]]:
    """The ids of each split by lists; of `train` and `val`, one may be what the others leave.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A list is empty, or names an image that is not there or has no label.
    """
    ids = {split: _listed(path, folder) for split, path in files.items()}
    named = {name for own in ids.values() for name in own}
    rest = [name for name in folder.pairs if name not in named]
    if not {"train", "val"} & ids.keys():
        raise ValueError("`data.test` alone does not say what to score. Set `data.val`.")
    return {"train": rest, "val": rest, "test": []} | ids


def _listed(path: Path, folder: Folder) -> list[str]:
    if not path.is_file():
        raise FileNotFoundError(f"The list {path} does not exist.")
    lines = map(_without_extension, read_lines(path))
    ids = list(dict.fromkeys(line.removesuffix(folder.image_suffix) for line in lines))
    if not ids:
        raise ValueError(f"The list {path} is empty. Put one id on each line.")
    if missing := [name for name in ids if name not in folder.pairs]:
        first = next(iter(folder.pairs))
        raise ValueError(
            f"{len(missing)} of {len(ids)} ids of {path} have no image in {folder.images} with a "
            f"label in {folder.labels}; the first is {missing[0]!r}. An id is a name such as "
            f"{first!r}."
        )
    return ids


def _without_extension(line: str) -> str:
    return line[: -len(Path(line).suffix)] if Path(line).suffix.lower() in SUFFIXES else line


def _of_folders(folder: Folder) -> dict[str, list[str]]:
    """The ids in the subfolder of each split."""
    return {
        split: [name for name in folder.pairs if name.partition("/")[0].lower() in names]
        for split, names in SPLITS.items()
    }


def _of_fraction(
    names: Sequence[str], fraction: float, seed: int, allow_overlap: bool
) -> dict[str, list[str]]:
    """Split ids by the hash of the seed and the id, so that one id does not move another one.

    Raises:
        ValueError: The fraction is not between 0 and 1, or there is one image alone.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"`data.val_fraction` must be between 0 and 1; got {fraction}.")
    order = sorted(names, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())
    if len(order) == 1 and not allow_overlap:
        raise ValueError(
            "There is one image with a label, which cannot be trained on and scored. Add images, "
            "or set `data.allow_overlap=true` to do both."
        )
    if len(order) == 1:
        return {"train": order, "val": order}
    count = min(max(round(fraction * len(order)), 1), len(order) - 1)
    return {"train": sorted(order[count:]), "val": sorted(order[:count])}
