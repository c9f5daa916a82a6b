"""`fcn export`: what it writes, and what it refuses."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from typer.testing import CliRunner

from fcn_lightning.cli.fcn import app
from fcn_lightning.models import Network


def export(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["export", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def checkpoint(narrow: Callable[..., Network], tmp_path: Path) -> Path:
    network = narrow()
    state = {f"network.{name}": value for name, value in network.state_dict().items()}
    card = {"format": 1, "network": network.description}
    path = tmp_path / "net.ckpt"
    torch.save({"fcn_lightning": card, "state_dict": state}, path)
    return path


@pytest.mark.usefixtures("unchecked")
def test_an_onnx_file_is_written_and_its_difference_printed(checkpoint: Path) -> None:
    status, stdout, stderr = export(checkpoint, "--onnx", "net.onnx", "--argmax")
    assert (status, stderr) == (0, "")
    line = r"Wrote net\.onnx: image -> label; largest difference from PyTorch \d\.\de[-+]\d\d\n"
    assert re.fullmatch(line, stdout)
    image = np.zeros((1, 3, 20, 30), np.uint8)
    assert onnxruntime.InferenceSession("net.onnx").run(None, {"image": image})[0].max() < 21
    assert export(checkpoint, "--onnx", "net.onnx")[2] == (
        "net.onnx already exists. Replace it with --overwrite.\n"
    )
