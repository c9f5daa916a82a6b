"""The slots that a sweep's jobs run on."""

from __future__ import annotations

import pytest

from fcn_lightning.cli.sweep import Slots, visible_gpus


def test_jobs_take_gpus_and_give_them_back() -> None:
    slots = Slots(["0", "1", "2"], cpus=1)
    assert slots.take(2) == ["0", "1"]
    assert not slots.fit(2)
    assert slots.take(1) == ["2"]
    assert not slots.fit(1)
    slots.give_back(["0", "1"])
    assert slots.fit(2)
    assert not slots.fit(3)
    assert slots.take(1) == ["0"]


def test_jobs_on_cpus_take_places_and_no_gpus() -> None:
    slots = Slots(["0"], cpus=2)
    assert [slots.take(0), slots.take(0)] == [[], []]
    assert not slots.fit(0)
    assert slots.fit(1)
    slots.give_back([])
    assert slots.fit(0)


@pytest.mark.parametrize(("named", "gpus"), [("3,5", ["3", "5"]), ("", []), ("GPU-a", ["GPU-a"])])
def test_only_visible_gpus_are_given_out(
    named: str, gpus: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert visible_gpus() == gpus
