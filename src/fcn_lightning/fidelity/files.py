"""Reading golden files: whole ones, with the keys that their README names."""

from __future__ import annotations

import json
import re
import zipfile
import zlib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from fcn_lightning.fidelity.compare import Array

DAMAGED = (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error)


def read(path: Path) -> dict[str, Any]:
    """The values of an `.npz` or `.json` file by their keys.

    Raises:
        ValueError: The file is damaged.
    """
    try:
        if path.suffix == ".json":
            values = json.loads(path.read_text())
            if not isinstance(values, dict):
                raise TypeError("it holds no keys")
            return values
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except (*DAMAGED, TypeError) as error:
        raise damaged(path, error) from error


def read_array(path: Path) -> Array:
    """The array of an `.npy` file.

    Raises:
        ValueError: The file is damaged.
    """
    try:
        array: Array = np.load(path, allow_pickle=False)
    except DAMAGED as error:
        raise damaged(path, error) from error
    return array


def damaged(path: Path, error: BaseException) -> ValueError:
    """What is said of a file that cannot be read to its end."""
    why = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
    return ValueError(
        f"`{path.name}` must be a whole {path.suffix} file; reading it ends with: {why}. "
        "Copy or make it anew."
    )


def check_keys(
    path: Path,
    keys: Iterable[str],
    required: Collection[str],
    allowed: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Holds a file to the keys that the README names.

    Args:
        path: The file.
        keys: What it holds.
        required: What it must hold.
        allowed: Forms of keys that it may hold besides, each with its regular expression.

    Raises:
        ValueError: A required key is missing, or one is neither required nor allowed.
    """
    keys, forms = list(keys), allowed.values()
    if missing := [key for key in required if key not in keys]:
        raise ValueError(
            f"`{path.name}` must hold {', '.join(required)}; it lacks {', '.join(missing)}. "
            "Make it as the README of the golden files says."
        )
    for key in keys:
        if key not in required and not any(re.fullmatch(form, key) for form in forms):
            raise ValueError(
                f"`{path.name}` must hold {', '.join([*required, *allowed])} and no other keys; "
                f"got `{key}`. Make it as the README of the golden files says."
            )


def misfit(path: Path, must: str, came: object) -> ValueError:
    """What is said of a file whose values do not fit each other or the README."""
    return ValueError(
        f"`{path.name}` must {must}; got {came}. Make it as the README of the golden files says."
    )
