"""`scores.json`: what a run scored, on what, and from which configuration."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from fcn_lightning.files import replacing

NAME = "scores.json"
CONFIG = "config.yaml"
"""The configuration that a run has beside its record."""


class Start(BaseModel):
    """The start of a run, and the configuration of the run that made it, if one did."""

    path: str
    config: dict[str, Any] | None


class Record(BaseModel):
    """The scores of a finished run and everything that is needed to compare them.

    Format 2 added `config`, `debug`, `start`, `tags`, `device` and `split_size`, and counts in
    `num_images` the images that were really scored.

    Attributes:
        debug: The choice of the `debug` group, or None for a run that tables may count.
        split_size: Images in the split; `num_images` of them were scored.
        step: Steps that were trained when the network was scored.
        scores: Fractions and the loss; None where a score is undefined. Those of the first head
            have plain names, those of another head its name before a slash, as has `class_iu`.
        start: What it started from, by modality ("" where there is one).
        seconds: The time of the run; of a resumed one, with the time up to its last checkpoint.
        peak_memory: The most memory that process 0 used, in bytes; after a resume, since then.
        peak_gpu_memory: The most memory that torch allocated on its GPU, in bytes.
        memory_format: That of its network; None in records of earlier versions.
        config: The resolved configuration of the run.
    """

    model_config = ConfigDict(extra="ignore")

    format: Literal[2] = 2
    experiment: str
    variant: str
    head: str
    seed: int
    debug: str | None
    tags: list[str]
    data: str
    split: str
    split_size: int
    num_images: int
    checkpoint: Literal["last"]
    step: int
    scores: dict[str, float | None]
    class_iu: dict[str, float | None]
    average_over: list[str]
    best_val: dict[str, float] | None
    lists: dict[str, Any]
    start: dict[str, Start]
    precision: str
    num_processes: int
    device: str
    seconds: float = 0.0
    peak_memory: int | None = None
    peak_gpu_memory: int | None = None
    memory_format: str | None = None
    commit: str | None = None
    versions: dict[str, str]
    config: dict[str, Any]

    def names_of(self, key: Literal["modalities", "heads"]) -> list[str]:
        """The names under this key of `data`, where a name that is alone is a string."""
        names = self.config["data"].get(key) or []
        return [names] if isinstance(names, str) else list(names)

    def write(self, folder: Path) -> None:
        """Write `scores.json` into a run's folder; the file is whole or absent."""
        with replacing(folder / NAME) as temporary:
            temporary.write_text(self.model_dump_json(indent=1) + "\n")


class RecordError(ValueError):
    """A `scores.json` that cannot be read as a record; `why` is the cause in short."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path}: {why}. Train the run again with overwrite=true.")
        self.why = why


def read_record(folder: Path) -> Record:
    """Read the record in a run's folder.

    Raises:
        FileNotFoundError: The run is not finished.
        RecordError: The file is not JSON, lacks a value, or has another format.
    """
    path = folder / NAME
    try:
        return Record.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        if first["loc"] == ("format",) and first["input"] == 1:
            why = "format 1, from an earlier version: it does not say how the run was configured"
        else:
            where = ".".join(map(str, first["loc"]))
            why = f"not a record of format 2 ({f'`{where}`: ' if where else ''}{first['msg']})"
        raise RecordError(path, why) from error


def is_complete(folder: Path) -> bool:
    """Tell whether a run has finished and has its scores."""
    return (folder / NAME).is_file()


def without_nan(values: Mapping[str, float]) -> dict[str, float | None]:
    """Replace values that JSON cannot hold, NaN and infinity, by None."""
    return {name: or_none(value) for name, value in values.items()}


def or_none(value: float) -> float | None:
    """Return a finite value, or None."""
    return value if math.isfinite(value) else None
