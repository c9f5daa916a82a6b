"""The examples of docs/extending.md as files, and data for them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from PIL import Image

DOCS = Path(__file__).parents[1] / "docs" / "extending.md"


def write_examples(folder: Path) -> Path:
    """Write each block that starts with `# mine/FILE` as that file; return `folder`/mine."""
    blocks = re.findall(r"    # (mine/\S+)\n((?:    .*\n|\n(?=(?:\n)*    ))*)", DOCS.read_text())
    for name, block in blocks:
        text = block.partition("\n\n    fcn")[0]  # the commands that follow
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(re.sub("^    ", "", text, flags=re.MULTILINE).rstrip() + "\n")
    return folder / "mine"


def draw_streets(root: Path) -> None:
    """Five images of 40 x 50 pixels with two classes, two of them for validation."""
    rng = np.random.default_rng(0)
    for folder in ("images", "labels"):
        (root / folder).mkdir(parents=True)
    for i in range(5):
        pixels = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "images" / f"{i}.jpg")
        label = rng.integers(0, 2, (40, 50), dtype=np.uint8)
        Image.fromarray(label).save(root / "labels" / f"{i}.png")
    (root / "val.txt").write_text("3\n4\n")
