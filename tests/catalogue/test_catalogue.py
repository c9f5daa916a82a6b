"""Each case of the catalogue gets its sentence and status, and writes nothing else."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path

import pytest
from PIL import Image

from catalogue.case import Case, files_below, run
from catalogue.groups import GROUPS
from catalogue.page import page

CASES = {f"{title}: {case.wrong}": case for title, cases in GROUPS.items() for case in cases}


@pytest.fixture(autouse=True)
def one_machine(monkeypatch: pytest.MonkeyPatch, unchecked: None) -> None:
    """Without GPUs, at the terminal's usual width; restores the limit of Pillow."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)


@pytest.mark.parametrize("name", CASES)
def test_it_gets_its_sentence(name: str) -> None:
    case = CASES[name]
    case.files()
    before = files_below(Path())
    status, stdout, stderr = run(case.in_test(case.command))
    sentence = case.in_test(case.sentence)
    assert "Traceback" not in stderr
    if case.shown == "stdout":
        assert sentence in stdout.splitlines()
    elif any(each.startswith("runs/*/*/") for each in case.writes):
        assert stderr.splitlines()[-1] == sentence  # after the lines of a run that began
    else:
        assert " ".join(stderr.splitlines()) == sentence
    assert status == case.status
    assert changed(before, case) == []


def changed(before: dict[str, tuple[int, int]], case: Case) -> list[str]:
    """The files that a command wrote, changed or removed, and that it may not."""
    after = files_below(Path())
    names = {name for name, _ in before.items() ^ after.items()}
    return sorted(name for name in names if not any(fnmatch(name, own) for own in case.writes))


def test_there_are_cases_of_every_kind() -> None:
    assert len(CASES) == sum(map(len, GROUPS.values())) >= 80


def test_the_page_is_up_to_date() -> None:
    committed = Path(__file__).parents[2] / "docs" / "errors.md"
    assert committed.read_text() == page()
