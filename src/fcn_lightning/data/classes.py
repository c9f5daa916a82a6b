"""Class files: names of classes and, optionally, their colors and values in label files."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fcn_lightning.labels import VOID, Color, LabelSet
from fcn_lightning.text_files import read_lines, read_yaml

Channel = Annotated[int, Field(ge=0, le=255)]
LARGEST_VALUE = 2**24
"""Of label files; a table of all values is in memory."""

NAME_AND_COLOR = re.compile(r"(?P<name>.*\S)\s+(?P<color>\d{1,3}\s+\d{1,3}\s+\d{1,3})")


class _Entry(BaseModel):
    """One class in a class file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[str, Field(min_length=1)]
    color: Annotated[list[Channel], Field(min_length=3, max_length=3)] | None = None
    values: list[Annotated[int, Field(ge=0, le=LARGEST_VALUE)]] | None = None


class _Content(BaseModel):
    """A class file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    classes: Annotated[list[str | _Entry], Field(min_length=1)]
    void_colors: list[Annotated[list[Channel], Field(min_length=3, max_length=3)]] = []


@dataclass(frozen=True)
class Classes:
    """The classes of a data set, and how its label files show them.

    Attributes:
        source: The class file, or the key that lists the classes.
        names: The names of the classes, in the order of their labels.
        colors: The color of each class in RGB masks; None if there are none.
        values: The values of each class in label files; None for 0, 1, 2, ...
        void_colors: The colors of void in RGB masks.
    """

    source: str
    names: tuple[str, ...]
    colors: tuple[Color, ...] | None = None
    values: tuple[tuple[int, ...], ...] | None = None
    void_colors: tuple[Color, ...] = ()

    def label_set(self, name: str, void: Sequence[int]) -> LabelSet:
        """The classes as labels; `void` has the values of void in label files."""
        return LabelSet(name, self.names, self.colors, tuple(self.values_in_files(void)))

    def values_in_files(self, void: Sequence[int]) -> list[tuple[int, ...]]:
        """The values of each class in label files; without a map, 0, 1, 2, ... except void's."""
        if self.values:
            return list(self.values)
        free = (value for value in range(len(self.names) + len(void)) if value not in void)
        return [(value,) for value, _ in zip(free, self.names)]


def content_of(given: str | Sequence[Any] | Mapping[str, Any]) -> Any:
    """The content of a class file as plain values; anything but a path is returned as it is.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is neither text nor YAML in UTF-8.
    """
    if not isinstance(given, str):
        return given
    path = Path(given)
    if not path.is_file():
        raise FileNotFoundError(f"`data.classes` must be a file with names; {given} is none.")
    if path.suffix.lower() not in (".yaml", ".yml"):
        return [_of_line(line) for line in read_lines(path)]
    return read_yaml(path)


def read_classes(classes: str | Sequence[Any] | Mapping[str, Any]) -> Classes:
    """Read the classes in a file, or in a config.

    Args:
        classes: The path of a text file, with one name a line, optionally followed by three numbers
            for its color; the path of a YAML file; or what such a file has: a list of names or of
            entries with `name`, `color` and `values`, or that list as `classes` beside
            `void_colors`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no class file, or classes have the same name, color or value.
    """
    source = classes if isinstance(classes, str) else "`data.classes`"
    content = content_of(classes)
    try:
        parsed = _Content.model_validate(
            content if isinstance(content, Mapping) else {"classes": content or []}
        )
    except ValidationError as error:
        raise ValueError(f"{source} is no class file: {_first(error)}") from error
    entries = [_Entry(name=each) if isinstance(each, str) else each for each in parsed.classes]
    colors, values = [entry.color for entry in entries], [entry.values for entry in entries]
    names = [entry.name for entry in entries]
    void_colors = parsed.void_colors
    _check(source, "name", [(name, (name,)) for name in names])
    _check(source, "color", [(n, (tuple(c),)) for n, c in zip(names, colors) if c])
    _check(source, "value", [(n, v) for n, v in zip(names, values) if v])
    for key, given in (("color", colors), ("values", values)):
        lacking = [name for name, each in zip(names, given) if not each]
        if 0 < len(lacking) < len(names):
            raise ValueError(
                f"{source} has no `{key}` for {lacking[0]}. Add one to every class, or to none."
            )
    if len(names) > VOID:
        raise ValueError(f"{source} has {len(names)} classes; at most {VOID} are supported.")
    return Classes(
        source,
        tuple(names),
        tuple(map(_color, colors)) if colors[0] else None,
        tuple(tuple(v or ()) for v in values) if values[0] else None,
        tuple(map(_color, void_colors)),
    )


def _of_line(line: str) -> str | dict[str, Any]:
    """A line of a text file: `NAME` or `NAME RED GREEN BLUE`."""
    if found := NAME_AND_COLOR.fullmatch(line):
        return {"name": found["name"], "color": [int(part) for part in found["color"].split()]}
    return line


def _color(given: list[int] | None) -> Color:
    red, green, blue = given or (0, 0, 0)
    return red, green, blue


def _check(source: str, key: str, given: Sequence[tuple[str, Sequence[Any]]]) -> None:
    """Refuse a name, color or value that two classes share."""
    owners: dict[Any, str] = {}
    for name, each in ((name, each) for name, several in given for each in several):
        if each in owners:
            both = name if owners[each] == name else f"{owners[each]} and {name}"
            raise ValueError(f"{source} has the {key} {each} twice, for {both}. Leave one out.")
        owners[each] = name


def _first(error: ValidationError) -> str:
    """Say what the first error of a class file is, and where."""
    first = _deepest(error)
    where = ".".join(str(part) for part in first["loc"] if not str(part)[:1].isupper())
    where = where.replace("._Entry", "").replace(".str", "")
    if first["loc"] == ("classes",):
        return "it names no class. Write one name a line, or a list `classes` in YAML."
    given = reprlib.repr(first["input"])  # short, whatever it is
    return (
        f"`{where}` is {given} ({first['msg']}). Write a name, or `name`, `color: [red, green, "
        "blue]` and `values: [...]`; quote names that YAML reads as numbers or booleans."
    )


def _deepest(error: ValidationError) -> Any:
    """The error with the longest path: of the two readings of an entry, the one that fits more."""
    return max(error.errors(), key=lambda each: len(each["loc"]))
