from __future__ import annotations

import re
from pathlib import Path

import torch

README = Path(__file__).parents[1] / "README.md"


def test_the_library_example_runs() -> None:
    block = re.search(r"(    from fcn_lightning.*?)\n\n", README.read_text(), re.DOTALL)
    assert block is not None
    code = "\n".join(line[4:] for line in block[1].splitlines())
    code = code.replace('backbone="vgg16"', 'backbone="vgg16", fc_widths=(8, 8)')
    names = {"image": torch.zeros(2, 3, 40, 50, dtype=torch.uint8)}
    exec(code, names)
    assert names["scores"].shape == (2, 21, 40, 50)
