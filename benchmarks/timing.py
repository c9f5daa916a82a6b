"""Contenders for the same work, measured in turn in one run."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch

Work = Callable[[], object]

PACKAGES = ("torch", "torchvision", "lightning", "torchmetrics", "onnxruntime")


@dataclass(frozen=True)
class Row:
    """One contender's figures in one comparison; its ratio to the first contender."""

    section: str
    what: str
    contender: str
    cpu: float | None = None
    wall: float | None = None
    unit: str = ""
    ratio: float | None = None
    note: str = ""

    def __str__(self) -> str:
        figures = ("" if x is None else f"{x:.4g}" for x in (self.cpu, self.wall, self.ratio))
        return "| " + " | ".join([self.what, self.contender, *figures, self.unit, self.note]) + " |"


HEADER = """\
| what | contender | CPU | wall | ratio | unit | note |
|---|---|---:|---:|---:|---|---|"""


def compared(
    section: str,
    what: str,
    contenders: Mapping[str, Work],
    repeats: int,
    *,
    items: float = 0,
) -> list[Row]:
    """Time contenders in turn, after a first pass of each.

    Figures are medians. A ratio says how many times as fast as the first contender another one is,
    by CPU time.

    Args:
        section: The section of the table.
        what: The work.
        contenders: The work of each, by name.
        repeats: Number of rounds.
        items: Number of items that the work handles, for a rate; 0 for seconds.
    """
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    failed: dict[str, str] = {}
    for _ in range(repeats + 1):
        for name in [name for name in contenders if name not in failed]:
            try:
                times[name].append(timed(contenders[name]))
            except Exception as error:
                failed[name] = f"not run: {type(error).__name__}: {error}".splitlines()[0][:120]
    rows, first = [], None
    for name, measured in times.items():
        if name in failed:
            rows.append(Row(section, what, name, note=failed[name]))
            continue
        cpu, wall = (statistics.median(values) for values in zip(*measured[1:]))
        first = first or cpu
        shown = (items / cpu, items / wall, "1/s") if items else (cpu, wall, "s")
        rows.append(Row(section, what, name, *shown, first / cpu))
    return rows


def timed(work: Work) -> tuple[float, float]:
    """Seconds of CPU time and of wall time."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall


def machine() -> dict[str, str]:
    """The processor, versions and commit."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    models = {line.partition(": ")[2] for line in lines if line.startswith("model name")}
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    ).stdout.strip()
    return {
        "processor": ", ".join(models) or "unknown",
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": str(torch.get_num_threads()),
        "commit": commit or "unknown",
        **{name: version(name) for name in PACKAGES},
    }
