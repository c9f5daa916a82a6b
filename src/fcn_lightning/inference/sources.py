"""The images that a command names: files, folders, patterns, and lists in text files."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SUFFIXES = (
    ".avif", ".bmp", ".gif", ".jp2", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif",
    ".tiff", ".webp",
)  # fmt: skip
"""The files of a folder that are taken for images, in upper or lower case."""


@dataclass(frozen=True)
class Source:
    """An image file, and the relative path of what is written for it, without a suffix."""

    path: Path
    name: str


def find_sources(given: Sequence[str], out: Path, *, recursive: bool) -> list[Source]:
    """Find the images that arguments name.

    An argument is a file; a folder; a pattern such as `photos/**/*.jpg`; or `@LIST`, a text file
    with one path a line. Names are relative to the folder, to the part of the pattern before its
    first wildcard, and to the folder that all files of a list share.

    Args:
        given: The arguments.
        out: The folder of the results, whose files are no images.
        recursive: Search the subfolders of folders.

    Raises:
        OSError: A list cannot be read.
        ValueError: An argument names no image, or the results of two images would have one name.
    """
    sources: dict[str, Source] = {}
    for argument in given:
        for source in _sources(argument, out, recursive):
            other = sources.setdefault(source.name, source)
            if other.path != source.path:
                raise ValueError(
                    f"{other.path} and {source.path} would both be written to {source.name}.png. "
                    "Predict them into different folders."
                )
    return list(sources.values())


def _sources(argument: str, out: Path, recursive: bool) -> Iterator[Source]:
    path = Path(argument)
    if argument.startswith("@") and not path.exists():
        return _of_list(Path(argument[1:]))
    if path.is_dir():
        return _of_folder(path, out, recursive)
    if not path.exists() and glob.has_magic(argument):
        return _of_pattern(argument)
    if not path.is_file():
        raise ValueError(f"Image not found: {path}.")
    return _relative([path], path.parent)


def _of_folder(folder: Path, out: Path, recursive: bool) -> Iterator[Source]:
    paths = [path for path in _files(folder, out, recursive) if path.suffix.lower() in SUFFIXES]
    if not paths:
        more = "" if recursive else " Search its subfolders with --recursive."
        raise ValueError(f"The folder {folder} has no images.{more}")
    return _relative(paths, folder)


def _files(folder: Path, out: Path, recursive: bool) -> Iterator[Path]:
    """The files of a folder in the order of their names, without hidden ones and those of `out`."""
    for place, folders, names in os.walk(folder):
        kept = sorted(name for name in folders if not name.startswith("."))
        folders[:] = [name for name in kept if recursive and not _is(Path(place, name), out)]
        yield from (Path(place, name) for name in sorted(names) if not name.startswith("."))


def _of_pattern(pattern: str) -> Iterator[Source]:
    parts = Path(pattern).parts
    fixed = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    folder = Path(*parts[:fixed])
    files = [path for path in sorted(folder.glob("/".join(parts[fixed:]))) if path.is_file()]
    if not files:
        raise ValueError(f"No file matches {pattern}.")
    return _relative(files, folder)


def _of_list(path: Path) -> Iterator[Source]:
    text = path.read_text(encoding="utf-8-sig", errors="surrogateescape")
    if "\0" in text:
        raise ValueError(f"{path} is not text. Put the path of one image on each line.")
    lines = text.splitlines()
    paths = [Path(line.strip()) for line in lines if line.strip()]
    if not paths:
        raise ValueError(f"The list {path} is empty. Put the path of one image on each line.")
    return _relative(paths, Path(os.path.commonpath([each.absolute().parent for each in paths])))


def _relative(paths: Iterable[Path], folder: Path) -> Iterator[Source]:
    for path in paths:
        name = path.absolute().relative_to(folder.absolute())
        yield Source(path, name.with_suffix("").as_posix())


def _is(folder: Path, out: Path) -> bool:
    return out.exists() and folder.samefile(out)


def modality_paths(
    images: Sequence[Path], modalities: Sequence[str], given: Sequence[str]
) -> dict[Path, dict[str, Path]]:
    """The files of each image by modality: the image is the first, others have its name.

    Args:
        images: The image files.
        modalities: The modalities of the network; "" for a single one.
        given: `NAME=FOLDER` for each modality but the first.

    Raises:
        ValueError: A modality is missing or unknown, or an image has no file of it.
    """
    folders = {name: Path(folder) for name, _, folder in (each.partition("=") for each in given)}
    first, *others = modalities
    if sorted(folders) != sorted(others):
        needs = " ".join(f"--modality {name}=FOLDER" for name in others) or "no --modality"
        raise ValueError(
            f"The network labels {f'{first} images and needs' if first else 'single images:'} "
            f"{needs}; got {' '.join(given) or 'none'}."
        )
    return {
        image: {first: image} | {name: _beside(image, folders[name]) for name in others}
        for image in images
    }


def _beside(image: Path, folder: Path) -> Path:
    """The one file of a folder that has the name of an image, whatever its suffix."""
    found = sorted(folder.glob(f"{glob.escape(image.stem)}.*"))
    if len(found) != 1:
        problem = f"has {len(found)} files" if found else "has no file"
        raise ValueError(f"{folder} {problem} {image.stem}.*; one is needed for {image}.")
    return found[0]
