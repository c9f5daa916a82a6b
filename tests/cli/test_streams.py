from __future__ import annotations

import sys
from io import BytesIO, TextIOWrapper

import pytest

from fcn_lightning.cli.streams import escape_unprintable


def test_a_terminal_without_utf_8_prints_any_file_name(monkeypatch: pytest.MonkeyPatch) -> None:
    written = BytesIO()
    monkeypatch.setattr(sys, "stdout", TextIOWrapper(written, encoding="ascii"))
    escape_unprintable()
    sys.stdout.write("\xe4 \udce4\n")
    sys.stdout.flush()
    assert written.getvalue() == b"\\xe4 \\udce4\n"
