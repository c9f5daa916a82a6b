"""A process that holds the lock of a run's folder."""

from __future__ import annotations

from pathlib import Path
from threading import Event

from fcn_lightning.runs.folder import locked


def hold(path: Path, held: Event, done: Event) -> None:
    """Lock `path` until `done` is set."""
    file = locked(path)
    held.set()
    done.wait(timeout=60)
    file.close()
