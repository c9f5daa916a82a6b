"""scripts/venv before it downloads anything."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "venv"


@pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="PyTorch is small elsewhere"
)
def test_a_full_disk_is_refused(tmp_path: Path) -> None:
    df = tmp_path / "df"
    df.write_text("#!/bin/sh\necho Avail; echo ' 3050'\n")
    df.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "PYTHON": sys.executable,
    }
    folder = tmp_path / "new"
    done = subprocess.run(
        [SCRIPT, folder, "dev"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr == (
        f"A new {folder} needs 8 GB, but its disk has 3.0 GB free. Make room and call again.\n"
    )
    assert list(folder.iterdir()) == []
