"""Which runs a table needs, in the order of the stages, and what is left to do for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fcn_lightning.tables.definitions import Stage, Table


@dataclass(frozen=True)
class Step:
    """One run: its folder, the overrides that make it, and the folders of runs that it needs."""

    folder: Path
    overrides: tuple[str, ...]
    needs: tuple[Path, ...]
    complete: bool

    @property
    def name(self) -> str:
        """<experiment>/<row>/seed<N>."""
        return "/".join(self.folder.parts[-3:])


def plan(
    table: Table,
    data: str,
    seeds: Sequence[int],
    runs: Path,
    *,
    force: bool = False,
    extra: Sequence[str] = (),
) -> list[Step]:
    """All runs of a table, seed by seed, each after those that it needs.

    A run is complete where its scores.json is there, and goes on where only its folder is; with
    `force`, every run is made again. `extra` overrides go to each of them.

    Raises:
        ValueError: The table cannot be run on the data.
    """
    at = table.on(data)
    rows = [Stage(experiment=at.experiment, id=r.id, overrides=r.overrides) for r in table.rows]
    common = (f"paths.runs={runs}", *_group(f"{table.id}-{data}", extra), *extra)

    def steps(seed: int) -> Iterator[Step]:
        before = tuple(runs / stage.experiment / stage.id / f"seed{seed}" for stage in at.before)
        for stage in at.before:
            yield _step(stage, seed, runs, common, needs=(), force=force)
        for row, stage in zip(table.rows, rows):
            start = (runs / at.experiment / row.needs / f"seed{seed}",) if row.needs else before
            yield _step(stage, seed, runs, common, needs=start, force=force)

    return [step for seed in seeds for step in steps(seed)]


def _step(
    stage: Stage,
    seed: int,
    runs: Path,
    common: Sequence[str],
    *,
    needs: tuple[Path, ...],
    force: bool,
) -> Step:
    folder = runs / stage.experiment / stage.id / f"seed{seed}"
    there = ("overwrite=true" if force else "resume=true",) if force or folder.is_dir() else ()
    overrides = (
        f"experiment={stage.experiment}",
        *stage.overrides,
        f"seed={seed}",
        *common,
        *there,
    )
    complete = not force and (folder / "scores.json").is_file()
    return Step(folder, overrides, needs, complete)


def _group(name: str, extra: Sequence[str]) -> list[str]:
    """W&B's group of the runs; other loggers have none."""
    return [] if any(each.startswith("logger=") for each in extra) else [f"logger.group={name}"]
