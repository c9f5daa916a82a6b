import base64
import hashlib
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from fcn_lightning.cli.fcn import app
from report.conftest import with_files

Finish = Callable[..., Path]
HOSTILE = '</script><script>alert("1")</script>&"\'$\\frac'


class Page(HTMLParser):
    """The elements of a page: tags with attributes, and the text inside each kind of tag."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while tag in self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._open:
            self.texts.setdefault(self._open[-1], []).append(data)

    def of(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag in tags]


def report(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["report", *arguments])


@pytest.fixture
def page(filled: Path) -> Page:
    result = report("table2", "table4")
    assert result.exit_code == 0, result.output
    assert result.stdout == "Written: report.html (0.1 MB)\n"
    return Page(Path("report.html").read_text())


def test_nothing_is_loaded_from_elsewhere(page: Page):
    for tag, attributes in page.elements:
        for name in ("src", "href", "xlink:href", "action", "poster", "data", "srcset"):
            value = attributes.get(name) or "#"
            assert value.startswith(("#", "data:")), (tag, value)
    assert {tag for tag, _ in page.elements} & {"iframe", "object", "embed", "base"} == set()
    assert not re.search(r"@import|url\((?!#)", "".join(page.texts["style"]))
    (policy,) = (each for each in page.of("meta") if each.get("http-equiv"))
    (script,) = page.texts["script"]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy["content"] == (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'"
    )


def test_ids_are_unique_and_links_lead_to_them(page: Page):
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {str(each["href"]) for each in page.of("a")}
    links |= {str(each["xlink:href"]) for each in page.of("use")}
    assert links <= {f"#{each}" for each in ids}
    assert "#cvpr2015-table2-shapes" in links


def test_headings_are_in_order_and_everything_has_a_name(page: Page):
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h\d", tag)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:]))
    assert all(each["alt"] for each in page.of("img"))
    assert all(each.get("scope") for each in page.of("th"))
    assert len(page.of("caption")) == len(page.of("table"))


def test_what_was_not_run_and_does_not_count_is_said(page: Page):
    assert page.texts["td"].count("not run") >= 2
    text = "\n".join(page.texts["li"])
    assert "runs/shapes/fcn8s/seed0: 4 of 100 images were scored" in text
    assert "Networks" not in text
    assert "FCN-16s - FCN-32s" in "".join(page.texts["th"])


def test_text_of_records_is_escaped(runs: Path, finish: Finish):
    class_iu = {"background": 0.9, HOSTILE: 0.5, "square": 0.4}
    folder = finish(
        "shapes/fcn32s/seed0", class_iu=class_iu, device=HOSTILE, commit=HOSTILE,
        versions={HOSTILE: HOSTILE},
    )  # fmt: skip
    with_files(folder, (4, 2, 1))
    names = np.load(folder / "per_image.npz")
    hostile_name = "<img src=x onerror=alert(1)>"
    arrays = {**names, "names": [hostile_name, "b", "c"]}
    np.savez(folder / "per_image.npz", **arrays)
    for path in (folder / "pictures").glob("a.*"):
        path.rename(path.with_name(path.name.replace("a.", f"{hostile_name}.", 1)))
    assert report("table2").exit_code == 0
    page = Page(Path("report.html").read_text())
    assert len(page.of("script")) == 1
    assert all("onerror" not in attributes for _, attributes in page.elements)
    assert hostile_name in page.texts["h4"]
    assert HOSTILE in page.texts["th"]


def test_large_photographs_make_no_large_page(filled: Path):
    noise = np.random.default_rng(0).integers(0, 255, (375, 500, 3), np.uint8)
    paths = list(filled.rglob("*.image.png"))
    for path in paths:
        Image.fromarray(noise).save(path)
    assert sum(path.stat().st_size for path in paths) > 5e6
    assert report("table2").exit_code == 0
    assert Path("report.html").stat().st_size < 4e5  # three photographs


def test_an_empty_folder_has_a_report_too(runs: Path):
    assert report("table2").exit_code == 0
    page = Page(Path("report.html").read_text())
    assert "There is no finished run." in page.texts["p"]


def test_wrong_places_are_refused_in_a_sentence(runs: Path):
    no_runs, no_folder = report("--runs", "nowhere"), report("--out", "no/r.html")
    assert (no_runs.exit_code, no_folder.exit_code) == (2, 2)
    assert (
        no_runs.stderr == "There is no folder nowhere. Name the folder of runs with --runs DIR.\n"
    )
    assert no_folder.stderr == "The folder of no/r.html does not exist. Create no first.\n"


def test_records_that_cannot_be_read_are_named(runs: Path):
    (runs / "seed0").mkdir()
    (runs / "seed0" / "scores.json").write_text(json.dumps({"format": 1, "experiment": "<b>"}))
    assert report("table2").exit_code == 0
    text = Path("report.html").read_text()
    assert "runs/seed0: format 1, from an earlier version" in text
