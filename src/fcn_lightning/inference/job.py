"""The record of how a folder of predictions was made, with which a second call continues it."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

FILE = "predict.json"


@dataclass(frozen=True)
class Job:
    """The network and the options that decide what predictions are."""

    checkpoint: str
    sha256: str
    options: Mapping[str, Any]

    @classmethod
    def of(cls, checkpoint: Path, options: Mapping[str, Any]) -> Job:
        """The job of a checkpoint file, with plain values as options."""
        with checkpoint.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return cls(str(checkpoint), digest, dict(options))

    def differences(self, other: Job) -> list[str]:
        """Say in what this job differs from another one."""
        found = []
        if self.sha256 != other.sha256:
            found.append(f"the checkpoint {self.checkpoint}, not {other.checkpoint}")
        for name in sorted({*self.options, *other.options}):
            own, others = self.options.get(name), other.options.get(name)
            if own != others:
                found.append(f"{name} {json.dumps(own)}, not {json.dumps(others)}")
        return found


def missing(
    folder: Path, job: Job, files: Sequence[Sequence[Path]], *, overwrite: bool
) -> list[int]:
    """Prepare a folder for a job, and return the numbers of the images that are to be labeled.

    An image is done if all its files are there and none is older than the folder's record of the
    job.

    Args:
        folder: The folder of all files; it need not exist.
        job: The job.
        files: The files of each image.
        overwrite: Replace all files.

    Raises:
        ValueError: The folder belongs to another job, or has files of none, and may not be
            overwritten.
    """
    record = folder / FILE
    found = _read(record) if record.exists() else None
    if not overwrite:
        _check(folder, job, found, files)
    if found is None or found.differences(job):
        folder.mkdir(parents=True, exist_ok=True)
        _write(record, job)
    since = record.stat().st_mtime_ns
    return [i for i, own in enumerate(files) if overwrite or not _is_done(own, since)]


def _check(folder: Path, job: Job, found: Job | None, files: Sequence[Sequence[Path]]) -> None:
    if found is None:
        existing = (path for own in files for path in own if path.exists())
        if folder.exists() and (path := next(existing, None)):
            raise ValueError(f"{path} already exists. Replace it with --overwrite.")
    elif differences := found.differences(job):
        raise ValueError(
            f"{folder} was made with {'; '.join(differences)}. Choose another folder with --out, "
            "or replace its predictions with --overwrite."
        )


def _is_done(files: Sequence[Path], since: int) -> bool:
    try:
        return all(path.stat().st_mtime_ns >= since for path in files)
    except FileNotFoundError:
        return False


def _read(path: Path) -> Job:
    try:
        return TypeAdapter(Job).validate_json(path.read_bytes())
    except ValidationError as error:
        raise ValueError(
            f"{path} is damaged. Remove it together with the predictions beside it."
        ) from error


def _write(path: Path, job: Job) -> None:
    """Write the record under a name of this process's own first: shards start together."""
    number, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    with os.fdopen(number, "w", encoding="utf-8") as file:
        json.dump(vars(job), file, indent=1)
    Path(temporary).chmod(0o644)
    Path(temporary).replace(path)
