"""A process that imports a file and measures its own memory."""

from __future__ import annotations

import re
from multiprocessing.queues import SimpleQueue
from pathlib import Path

from fcn_lightning.formats.imports import import_file


def import_and_measure(path: Path, measured: SimpleQueue[int]) -> None:
    """Put the bytes into `measured` that importing a file takes at most."""
    before = peak()
    import_file(path, path.with_name("net.ckpt"))
    measured.put(peak() - before)


def peak() -> int:
    """The peak of this process; that of `resource` includes its parent's."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024  # type: ignore[index]
