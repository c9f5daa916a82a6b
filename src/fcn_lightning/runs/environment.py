"""The software that scores were computed with."""

from __future__ import annotations

import shutil
import subprocess
from importlib.metadata import version

from fcn_lightning.runs.compose import conf_dir


def commit() -> str | None:
    """Return the checkout's commit, with `+` if files differ from it; None outside a checkout."""
    checkout = conf_dir().parent
    if not (checkout / ".git").exists() or shutil.which("git") is None:
        return None
    command = ["git", "-C", str(checkout), "describe", "--always", "--abbrev=40", "--dirty=+"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def versions() -> dict[str, str]:
    """Return the versions of the packages that compute."""
    names = ("fcn-lightning", "torch", "torchvision", "lightning", "hydra-core", "torchmetrics")
    return {name: version(name) for name in names}
