"""The memory format of a run: configured, continued, measured or remembered."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
import torch

from fcn_lightning.formats import read_checkpoint
from fcn_lightning.formats.checkpoint import Checkpoint
from fcn_lightning.runs.evaluate import evaluate
from fcn_lightning.runs.memory_format import memory_format, time_formats
from fcn_lightning.runs.record import read_record
from fcn_lightning.runs.run import Run, compose_run
from fcn_lightning.runs.train import splits_of, train

module = import_module("fcn_lightning.runs.memory_format")
Tiny = Callable[..., list[str]]


def test_a_measurement_is_remembered(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    run = compose_run(tiny("experiment=shapes", "memory_format=auto"))
    network, train = run.network(7), splits_of(run).train
    before = {name: value.clone() for name, value in network.state_dict().items()}
    sizes = []

    def timed(run: Run, network: object, size: tuple[int, int]) -> dict[str, float]:
        sizes.append(size)
        return {"contiguous": 1.0, "channels_last": 2.0}

    monkeypatch.setattr(module, "time_formats", timed)
    for _ in range(2):
        assert memory_format(run, network, train, None) == "contiguous"
    assert sizes == [(run.augment.crop, run.augment.crop)], "measured once"
    (path,) = run.folder.parents[2].glob("memory_formats/*.json")
    path.write_text(json.dumps({"contiguous": 3.0, "channels_last": 2.0}))
    assert memory_format(run, network, train, None) == "channels_last"
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_both_formats_are_timed_on_copies(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """Passes of a contiguous network take 3 s, others 1 s."""
    run = compose_run(tiny("experiment=shapes", "memory_format=auto"))
    network, now, sizes = run.network(7), [0.0], []

    def a_pass(_: Run, timed: torch.nn.Module, num_images: int, size: tuple[int, int]) -> None:
        sizes.append((num_images, *size))
        now[0] += 3.0 if _is_contiguous(timed) else 1.0

    monkeypatch.setattr(module, "train_pass", a_pass)
    measured = time_formats(run, network, (375, 500), clock=lambda: now[0])
    assert measured == {"contiguous": 3.0, "channels_last": 1.0}
    assert set(sizes) == {(1, 64, 64)}, "a CPU times a small image"
    assert _is_contiguous(network)


def test_a_real_pass_is_timed(tiny: Tiny) -> None:
    run = compose_run(tiny("experiment=shapes", "memory_format=auto"))
    measured = time_formats(run, run.network(7), (96, 96))
    assert set(measured) == {"contiguous", "channels_last"}
    assert all(0 < each < 10 for each in measured.values())


def test_the_format_is_recorded_and_kept(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first run measures that contiguous is faster; the one that continues it asks nobody."""
    own = ("experiment=shapes", "memory_format=auto", "recipe.schedule=fixed")
    first = compose_run(tiny(*own))
    monkeypatch.setattr(
        module, "time_formats", lambda *_: {"contiguous": 1.0, "channels_last": 2.0}
    )
    assert train(first).memory_format == "contiguous"
    kept = read_checkpoint(first.folder)
    assert kept.memory_format == "contiguous"
    monkeypatch.setattr(module, "time_formats", None)
    own = (*own, "recipe.max_steps=3", f"ckpt_path={first.folder}")
    assert train(compose_run(tiny(*own))).memory_format == "contiguous"
    again = evaluate(first.folder, None, None)
    assert again["scores"] == read_record(first.folder).scores


def test_checkpoints_of_earlier_versions_are_channels_last(tmp_path: Path) -> None:
    assert Checkpoint(tmp_path, {"format": 1}, {}, 0).memory_format == "channels_last"


def _is_contiguous(network: torch.nn.Module) -> bool:
    return all(p.is_contiguous() for p in network.parameters())
