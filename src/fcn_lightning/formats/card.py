"""The entries of a checkpoint's card, checked before they are used: anyone can write one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fcn_lightning.labels import LabelSet, by_name
from fcn_lightning.losses import Reduction

Channel = Annotated[int, Field(ge=0, le=255)]
Value = Annotated[int, Field(ge=0, lt=2**16)]


class _Labels(BaseModel):
    """The classes of a head."""

    model_config = ConfigDict(extra="forbid")

    name: str
    classes: tuple[str, ...]
    colors: tuple[tuple[Channel, Channel, Channel], ...] | None = None
    values: tuple[Annotated[tuple[Value, ...], Field(min_length=1)], ...] | None = None


class _Data(BaseModel):
    """The data that a network was trained on."""

    name: str
    arguments: dict[str, Any]


class _WithLabels(BaseModel):
    labels: dict[str, _Labels]


class _WithData(BaseModel):
    data: _Data


class _Arranged(BaseModel):
    memory_format: Literal["contiguous", "channels_last"] = "channels_last"


class Scoring(BaseModel):
    """The settings of scoring: loss, Trainer's precision, meaning of float32, images at a time."""

    loss: Reduction  # a config: Hydra would call a `_target_`
    precision: str
    matmul_precision: Literal["highest", "high"] = "highest"
    val_batch: Annotated[int, Field(ge=1)] = 1


def labels_of(path: Path, card: Mapping[str, Any]) -> dict[str, LabelSet] | None:
    """The classes of each head; None if the file was written without them.

    Raises:
        ValueError: The entry is damaged, or of other heads or classes than the network.
    """
    if not card.get("labels"):
        return None
    found = _read(path, _WithLabels, card).labels
    counts = {head: len(own.classes) for head, own in found.items()}
    if counts != by_name(card["network"].get("num_classes")):
        raise _damaged(path, "labels", "it has other classes than the network")
    for own in found.values():
        if any(len(each) != len(own.classes) for each in (own.colors, own.values) if each):
            raise _damaged(path, "labels", "each class needs its color and values, or none")
    return {head: LabelSet(**dict(own)) for head, own in found.items()}


def data_of(path: Path, card: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The name of the data config, and arguments for it; none of them names a function.

    Raises:
        ValueError: The entry is missing or damaged.
    """
    if card.get("data") is None:
        raise ValueError("The checkpoint names no data. Add --data NAME --data-root DIR.")
    found = _read(path, _WithData, card).data
    if not re.fullmatch(r"[\w-]+", found.name):
        raise _damaged(path, "data", f"{found.name!r} is not the name of a data config")
    # Hydra would call `_target_`, wherever it stands.
    if own := [key for key in _keys(found.arguments) if str(key).startswith("_")]:
        raise _damaged(path, "data", f"data have no argument `{own[0]}`")
    return found.name, found.arguments


def memory_format_of(path: Path, card: Mapping[str, Any]) -> str:
    """The memory format of its run; channels_last if the file was written without one.

    Raises:
        ValueError: The entry names another one.
    """
    return str(_read(path, _Arranged, card).memory_format)


def scoring_of(path: Path, card: Mapping[str, Any]) -> Scoring:
    """The settings with which its network is scored.

    Raises:
        ValueError: One is missing.
    """
    found: Scoring = _read(path, Scoring, card)
    return found


def _keys(value: Any) -> Iterator[Any]:
    """All keys of nested mappings."""
    if isinstance(value, Mapping):
        yield from value
    inner = value.values() if isinstance(value, Mapping) else value
    for each in inner if isinstance(value, Mapping | list | tuple) else ():
        yield from _keys(each)


def _read(path: Path, kind: type[BaseModel], card: Mapping[str, Any]) -> Any:
    try:
        return kind.model_validate(dict(card))
    except ValidationError as error:
        first = error.errors()[0]
        key, *inner = filter(None, map(str, first["loc"]))
        why = first["msg"].partition(" or instance of ")[0]
        raise _damaged(path, key, f"{'.'.join(inner)}: {why}".lstrip(": ")) from error


def _damaged(path: Path, key: str, why: str) -> ValueError:
    return ValueError(
        f"{path} is damaged: its `{key}` is not what fcn-train writes ({why}). Train or import it "
        "again."
    )
