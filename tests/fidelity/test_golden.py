"""The reference's own values, and the project's by an independent NumPy Caffe, beside ours."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest
from typer.testing import CliRunner

from fcn_lightning.models.backbones.cpu import winograd
from fidelity import Case, cases_in, check_case, check_folder
from fidelity.__main__ import app
from fidelity.reference import MODELS

CASES = cases_in(Path(__file__).parents[1] / "golden")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.path.name)
def test_own(case: Case) -> None:
    rows = check_case(case)
    assert rows or case.kind == "train_sequence"
    assert not [row for row in rows if not row.ok]


@pytest.mark.parametrize(
    "case",
    [
        c
        for c in CASES
        if c.kind in ("forward", "extra", "train") and re.search("fcn(32|16|8)s", c.model)
    ],
    ids=lambda case: case.path.name,
)
def test_with_the_convolutions_of_wide_networks(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """These networks are thin. Here, their 3 x 3 convolutions are tiled, but for the first one."""
    monkeypatch.setattr(winograd, "FEWEST_KERNELS", 1)
    monkeypatch.setattr(winograd, "FEWEST_POSITIONS", 1)
    tiled = Mock(side_effect=winograd._convolved)
    monkeypatch.setattr(winograd, "_convolved", tiled)
    assert not [row for row in check_case(case) if not row.ok]
    # 10 updates, forward and backward; or a pass of 12 and one of 11, whose conv1_2 is in strips
    backbone = 10 * 24 if case.kind == "train" else 12 + 11
    assert tiled.call_count == backbone * (2 if case.model.endswith("color-hha") else 1)


def test_every_network_is_among_them() -> None:
    assert {case.model for case in CASES if case.kind in ("forward", "extra")} == set(MODELS)


def test_reference(shared: Path) -> None:
    rows = check_folder(shared / "golden")
    assert not [row for row in rows if not row.ok]
    names = {path.name for path in (shared / "golden").glob("*_*_*")}
    models = {re.sub(r"^(train|forward|stats|weights|extra)_|_.*", "", name) for name in names}
    assert models <= {row.network.split()[0] for row in rows}


def test_the_table(folder: Callable[..., Path]) -> None:
    names = ("train_voc-fcn32s_ref.npz", "weights_voc-fcn32s_narrow.npz", "train_sequence.npz")
    done = CliRunner().invoke(app, [str(folder(*names)), "--markdown"])
    lines = [[cell.strip() for cell in line.split("|")] for line in done.stdout.splitlines()]
    assert done.exit_code == 0
    assert lines[0][1:3] == ["network", "what was compared"]
    assert {line[-2] for line in lines[2:]} == {"ok"}
    assert [line[2] for line in lines[2:]] == [
        "10 updates' losses, relative",
        "32 first gradients, of a layer's largest",
        "32 final weights, of a layer's largest",
        "2 changes, of a layer's largest; 30 not distinguishable",
        "32 weights and biases in their places",
    ]
