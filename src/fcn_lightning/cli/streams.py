"""Standard streams that can print any file name."""

from __future__ import annotations

import sys
from io import TextIOWrapper


def escape_unprintable() -> None:
    """Let both streams escape what the terminal's encoding lacks, in place of an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
