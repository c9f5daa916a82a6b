"""The records of all finished runs below a folder."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from fcn_lightning.runs.record import NAME, Record, RecordError, read_record
from fcn_lightning.tables.values import Values, read_values


@dataclass(frozen=True)
class Finished:
    """A finished run; `written` is the time of its record, in seconds."""

    folder: Path
    record: Record
    written: float


@dataclass(frozen=True)
class Records:
    """Finished runs by experiment, debug runs left out, and the files that are no records.

    Attributes:
        values: Values of rows that are no scores of runs, the oldest first.
        unreadable: The folder, the cause, and the experiment where the file still names one.
    """

    finished: list[Finished] = field(default_factory=list)
    unreadable: list[tuple[Path, str, str | None]] = field(default_factory=list)
    values: list[Values] = field(default_factory=list)

    def of(self, experiment: str) -> list[Finished]:
        """Return the finished runs of an experiment."""
        return [each for each in self.finished if each.record.experiment == experiment]

    def unreadable_of(self, experiment: str) -> dict[Path, str]:
        """Return the causes by folder, where the file names this experiment or none."""
        return {
            folder: why for folder, why, named in self.unreadable if named in (experiment, None)
        }


def read_records(runs: Path) -> Records:
    """Read every `scores.json` and all values below a folder, wherever they were moved to."""
    found = Records(values=read_values(runs))
    for path in sorted(runs.rglob(NAME)):
        try:
            record = read_record(path.parent)
            if record.debug is None:
                found.finished.append(Finished(path.parent, record, path.stat().st_mtime))
        except RecordError as error:
            found.unreadable.append((path.parent, error.why, _experiment(path)))
        except OSError as error:
            found.unreadable.append((path.parent, error.strerror or str(error), None))
    return found


def _experiment(path: Path) -> str | None:
    """Return the experiment that a file names, whatever its format."""
    try:
        content = json.loads(path.read_bytes())
    except ValueError:
        return None
    experiment = content.get("experiment") if isinstance(content, dict) else None
    return experiment if isinstance(experiment, str) else None
