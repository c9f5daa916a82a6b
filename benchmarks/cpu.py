"""The speed of this project on a CPU beside that of its alternatives, in one run.

    python benchmarks/cpu.py [SECTION...] [--repeats 3] [--threads 1] [--json FILE]

Contenders take turns; times are medians of CPU time and of wall time after a first pass each. A
ratio says how many times as fast as the first contender another one is, by CPU time.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import images
import networks
import peers
import torch
from timing import HEADER, Row, machine

import runs

SECTIONS: dict[str, Callable[[int], Iterator[Row]]] = {
    "bound": networks.bound,
    "forward": networks.forward,
    "training": networks.training,
    "memory": networks.memory,
    "growth": networks.growth,
    "pipeline": images.pipeline,
    "scoring": images.scoring,
    "overhead": runs.overhead,
    "startup": runs.startup,
    "sweep": runs.sweep,
    "validation": runs.validation,
}


def main() -> None:
    """Print a Markdown table for each section, a row as soon as it is measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, default=None, help="a file for the same as JSON")
    given = parser.parse_args()
    if unknown := set(given.sections) - set(SECTIONS):
        parser.error(f"{', '.join(unknown)}: no such section. There are {', '.join(SECTIONS)}.")

    warnings.filterwarnings("ignore")
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    peers.install()
    print(", ".join(f"{name} {value}" for name, value in machine().items()))
    rows = []
    for name in given.sections or SECTIONS:
        print(f"\n{name}\n\n{HEADER}")
        for row in SECTIONS[name](given.repeats):
            print(row, flush=True)
            rows.append(asdict(row))
        if given.json is not None:
            given.json.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
