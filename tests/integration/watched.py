"""Notes which process of a run opens which file to write."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def note_opened(log: Path) -> None:
    """Append a line, `RANK PATH`, for `log` and each file that this process opens to write."""
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    rank = os.environ.get("LOCAL_RANK", "0")

    def note(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and int(str(arguments[2])) & (os.O_WRONLY | os.O_RDWR):
            os.write(file, f"{rank} {arguments[0]}\n".encode())

    os.write(file, f"{rank} {log}\n".encode())
    sys.addaudithook(note)
