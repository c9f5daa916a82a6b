"""Wrong input that no command line can be typed for; the rest is in tests/catalogue."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from catalogue.case import run
from catalogue.prepared import data
from fcn_lightning.data import shapes
from fcn_lightning.labels import LabelSet


def test_no_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    data()
    monkeypatch.setattr(shapes, "SHAPES", LabelSet("shapes", ()))
    status, _, stderr = run("fcn-train experiment=shapes")
    assert (status, stderr) == (2, "A head must score at least one class; got 0.\n")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_permission_to_write() -> None:
    data()
    Path("runs").mkdir(mode=0o500)
    status, _, stderr = run("fcn-train experiment=shapes")
    assert status == 2
    assert stderr.startswith(f"{Path.cwd() / 'runs'} is not a writable folder.")
