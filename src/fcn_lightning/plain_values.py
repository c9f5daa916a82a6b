"""Plain values from files that others wrote: nested, and not larger than they look.

A file of a kilobyte can name one list a billion times: an alias in YAML, a reference in a pickle.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MOST = 1_000_000
"""The values that one file may have, each counted as often as it is named."""


def check_count(path: object, content: Any) -> None:
    """Refuse values that are too many to be looked at.

    Raises:
        ValueError: There are more than MOST.
    """
    waiting, count = [content], 0
    while waiting:
        value = waiting.pop()
        inner: list[Any] = []
        if isinstance(value, Mapping):
            inner = [*value.keys(), *value.values()]
        elif isinstance(value, list | tuple | set | frozenset):
            inner = list(value)
        count += 1 + len(inner)
        if count > MOST:
            raise ValueError(f"{path} has more than {MOST:,} values. Ask its author for another.")
        waiting += inner
