"""One clear sentence for wrong input, from whatever library raised it."""

from __future__ import annotations

import errno
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import yaml
from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    InstantiationException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

if TYPE_CHECKING:
    from pydantic import ValidationError

UNREAD = re.compile(
    r"(unexpected keyword argument '(?P<key>\w+)'|'(?P<other>\w+)' is an invalid keyword argument)"
    r"(?s:.*)full_key: (?P<node>[\w.]+)"
)
"""Hydra's message for a key that is no argument of a `_target_`."""

ADVICE = {
    errno.EISDIR: "Name a file.",
    errno.ENOTDIR: "Name a folder.",
    errno.EEXIST: "Choose another name.",
    errno.ENOSPC: "Free some space, or write to another disk.",
    errno.EACCES: "Choose another place, or change its permissions.",
    errno.EROFS: "Choose another place.",
}
"""Advice for errors of the operating system; a missing file needs none."""

PLUGINS = {"hydra/sweeper": "pip install 'fcn-lightning[search]' installs optuna."}
"""The packages that bring the choices of a group."""


@contextmanager
def reported(show_traceback: bool) -> Iterator[None]:
    """End the program with status 2 and one sentence when the input is wrong."""
    try:
        yield
    except Exception as error:
        if not is_of_input(error):
            raise
        if show_traceback:
            traceback.print_exc()
        sys.stderr.write(f"{printable(sentence(error))}\n")
        sys.exit(2)


def printable(text: str, longest: int = 4000) -> str:
    """One line without control characters, which a file's names may have; the rest is left out."""
    shown = text if len(text) <= longest else f"{text[:longest]}..."
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in shown)


def is_of_input(error: BaseException) -> bool:
    """Tell whether the user's input caused an error."""
    kinds = ValueError | OSError | HydraException | OmegaConfBaseException | yaml.YAMLError
    if isinstance(error, kinds):
        return True
    # By its name: importing Lightning takes seconds.
    return type(error).__name__ == "MisconfigurationException"


def sentence(error: BaseException) -> str:
    """Say in one line what an error means for a user."""
    while isinstance(error, InstantiationException) and error.__cause__ is not None:
        if found := UNREAD.search(str(error)):
            return _unread(f"{found['node']}.{found['key'] or found['other']}")
        error = error.__cause__
    if isinstance(error, OverrideParseException):
        return _unparsed(error)
    if isinstance(error, MissingConfigException):
        return _unknown_choice(error)
    if isinstance(error, ConfigCompositionException):
        return _not_composed(error)
    if "Config group override must be a string" in str(error):
        return _no_choice()
    if type(error).__name__ == "ValidationError":
        return _invalid(error)  # type: ignore[arg-type]
    if isinstance(error, yaml.MarkedYAMLError) and (mark := error.problem_mark):
        return f"{mark.name} is not YAML: {error.problem}, line {mark.line + 1}."
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}. {ADVICE.get(error.errno or 0, '')}".rstrip()
    lines = [line for line in str(error).splitlines() if line.strip()]
    if lines and lines[0].startswith("Caught "):  # in a loader's worker: its traceback's last line
        return lines[-1].partition(": ")[2]
    return " ".join(line.strip() for line in lines) or type(error).__name__


def _unparsed(error: OverrideParseException) -> str:
    key, equals, value = error.override.partition("=")
    if not equals:
        return f"`{error.override}` is not an override. Write key=VALUE; --help lists the options."
    return (
        f"Cannot parse the override `{error.override}`. Quote a value with special characters, for "
        f"the shell too: \"{key}='{value}'\""
    )


def _unknown_choice(error: MissingConfigException) -> str:
    from fcn_lightning.runs.keys import nearest

    group, _, choice = str(error.missing_cfg_file or "").rpartition("/")
    options = sorted(error.options or [])
    if not group and (folder := re.search(r"config directory '(.*)' not found", str(error))):
        return f"The folder of configs {folder[1]} does not exist. Name another with --config-dir."
    if not group:
        return " ".join(str(error).split())
    hint = PLUGINS.get(group, "") or nearest(choice, options).strip()
    return f"Unknown choice `{group}={choice}`. Choose from {', '.join(options)}. {hint}".rstrip()


def _not_composed(error: ConfigCompositionException) -> str:
    cause = error.__cause__
    if isinstance(cause, ConfigAttributeError | ConfigKeyError) and cause.parent_node is not None:
        from fcn_lightning.runs.keys import unknown_key

        root = cause.parent_node._get_root()
        return unknown_key(str(cause.full_key), root)
    return " ".join(str(cause or error).split())


def _no_choice() -> str:
    """Name the groups of the command line whose choice is no name; Hydra names none."""
    from fcn_lightning.runs.compose import conf_dir

    split = [(o, *o.partition("=")[::2]) for o in sys.argv[1:]]
    choices = [
        override
        for override, key, value in split
        if value in ("true", "false", "null") and (conf_dir() / key).is_dir()
    ]
    named = " or ".join(f"`{choice}`" for choice in choices) or "A group"
    way = " Full tracebacks are traceback=true." if "debug=true" in choices else ""
    return f"{named} is not a choice of a group. Name a file of the group, or leave it out.{way}"


def _unread(key: str) -> str:
    from omegaconf import OmegaConf

    from fcn_lightning.runs.keys import unknown_key

    return unknown_key(key, OmegaConf.create())


def _invalid(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    node = "" if error.title == "Settings" else f"{error.title.lower()}."
    if first["type"] == "unexpected_keyword_argument":
        return _unread(f"{node}{where}")
    return f"`{node}{where}`: {first['msg']}; got {first['input']!r}."
