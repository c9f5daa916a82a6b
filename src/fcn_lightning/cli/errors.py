"""One clear sentence for whatever a user got wrong."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from hydra.errors import HydraException, InstantiationException
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError


class InputError(ValueError):
    """What the user gave does not fit; the text says what must hold, what came and what to do."""


def is_of_input(error: BaseException) -> bool:
    """Whether the user's input is to blame for an error."""
    if isinstance(error, ValueError | OSError | HydraException | OmegaConfBaseException):
        return True
    # Lightning, which takes seconds to import, is only asked where it may have raised.
    return type(error).__name__ == "MisconfigurationException"


def sentence(error: BaseException) -> str:
    """What an error says to a user, in one line."""
    while isinstance(error, InstantiationException) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        node = "" if error.title == "Settings" else f"{error.title.lower()}."
        return f"`{node}{where}`: {first['msg']}; got {first['input']!r}."
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}." if error.filename else f"{error.strerror}."
    lines = [line for line in str(error).splitlines() if line.strip()]
    if lines and lines[0].startswith(
        "Caught "
    ):  # a worker process of a loader: its traceback's end
        return lines[-1].partition(": ")[2]
    return " ".join(line.strip() for line in lines) or type(error).__name__


@contextmanager
def reported(debug: bool) -> Iterator[None]:
    """Ends the program with status 2 and one sentence where the input is to blame."""
    try:
        yield
    except Exception as error:
        if not is_of_input(error):
            raise
        if debug:
            traceback.print_exc()
        sys.stderr.write(f"{sentence(error)}\n")
        sys.exit(2)
