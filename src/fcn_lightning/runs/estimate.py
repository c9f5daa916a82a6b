"""An estimate of a run's duration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Estimate:
    """The estimated seconds of a run's parts.

    Attributes:
        startup: Until the first step: imports, and drawing the embedded data.
        step: One optimizer step.
        scoring: Scoring the validation split once.
        first_step: The step from which the run is resumed.
    """

    startup: float
    step: float
    scoring: float
    max_steps: int
    val_every: int
    first_step: int = 0

    def until(self, step: int) -> float:
        """Return the seconds from the start until a step has been taken."""
        validations = step // self.val_every - self.first_step // self.val_every
        return self.startup + (step - self.first_step) * self.step + validations * self.scoring

    @property
    def seconds(self) -> float:
        """The whole run: a validation at the last step in any case, and the test."""
        last = self.scoring if self.max_steps % self.val_every else 0.0
        return self.until(self.max_steps) + last + self.scoring


def reached(folder: Path) -> tuple[int, float] | None:
    """Return the last step in a run's `metrics.csv`, and the time of that file in seconds."""
    path = folder / "metrics.csv"
    try:
        last = path.read_text().rstrip().rpartition("\n")[2]
        return int(last.partition(",")[0]), path.stat().st_mtime
    except (OSError, ValueError):  # no file, or no row yet
        return None
