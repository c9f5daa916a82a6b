"""The lock of a run's folder."""

from __future__ import annotations

import errno
import fcntl
import logging
from pathlib import Path

import pytest

from fcn_lightning.runs.folder import locked


def test_a_file_system_without_locks_is_warned_of_and_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unsupported(*arguments: object) -> None:
        raise OSError(errno.ENOTSUP, "not supported")

    monkeypatch.setattr(fcntl, "lockf", unsupported)
    monkeypatch.setattr(logging.getLogger("fcn_lightning"), "propagate", True)
    locked(tmp_path / "train.log").close()
    assert set(caplog.messages) == {
        f"{tmp_path} cannot be locked: make sure that one process alone writes it"
    }
