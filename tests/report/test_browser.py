"""The page in Debian's Chromium: no message, no request, no violation of axe's rules."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fcn_lightning.cli.fcn import app
from fcn_lightning.runs.record import Record
from report.conftest import with_files

pytestmark = pytest.mark.slow

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture
def browser() -> Iterator[Any]:
    """Chromium without its own requests; skips where it or its driver is missing."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed: tests/report/install does it")
    driver = pytest.importorskip("playwright.sync_api", reason="the extra `browser` is missing")
    with driver.sync_playwright() as playwright:
        own = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=own)
        yield started
        started.close()


@pytest.fixture
def page_file(
    filled: Path,
    two_heads: Path,
    finish: Callable[..., Path],
    started: Callable[[Path], Record],
    tmp_path: Path,
) -> Path:
    """A report of three seeds, of the optimization table and of two heads."""
    for seed in (1, 2):
        class_iu = {"background": 0.9, "disk": 0.7, "square": 0.5}
        folder = finish(f"shapes/fcn16s/seed{seed}", class_iu=class_iu)
        with_files(folder, (4, 3, 1))
    started(finish("shapes_heavy/fcn32s/seed0", class_iu={"background": 0.9}))
    names = ["table2", "optimization", "table5", "table4"]
    result = CliRunner().invoke(app, ["report", *names])
    assert result.exit_code == 0, result.output
    ids = ("cvpr2015-table2-shapes", "pami2016-optimization-shapes", "cvpr2015-table5-shapes")
    text = (tmp_path / "report.html").read_text()
    assert all(f'<h2 id="{each}">' in text for each in ids)
    return tmp_path / "report.html"


def test_the_page_at_three_widths_in_light_and_dark(browser: Any, page_file: Path) -> None:
    from axe_playwright_python.sync_playwright import Axe

    for width in (390, 820, 1440):
        for scheme in ("light", "dark"):
            size = {"width": width, "height": 900}
            with browser.new_context(viewport=size, color_scheme=scheme) as context:
                page, messages, requests = context.new_page(), [], []
                page.on("console", lambda message, to=messages: to.append(message.text))
                page.on("pageerror", lambda error, to=messages: to.append(str(error)))
                page.on("request", lambda request, to=requests: to.append(request.url))
                page.goto(page_file.as_uri())
                opening = "document.querySelectorAll('details').forEach(each => each.open = true)"
                page.evaluate(opening)
                requested = [url for url in requests if not url.startswith("data:")]
                assert (messages, requested) == ([], [page_file.as_uri()])
                assert page.evaluate("document.documentElement.scrollWidth") == width
                found = Axe().run(page)
                assert found.violations_count == 0, found.generate_report()


def test_tables_sort_and_variants_are_chosen_by_keyboard(browser: Any, page_file: Path) -> None:
    page = browser.new_page()
    page.goto(page_file.as_uri())
    section = page.locator("section[aria-labelledby=cvpr2015-table2-shapes]")
    table = section.locator("table.sortable")

    def classes() -> list[str]:
        names: list[str] = table.locator("tbody th").all_inner_texts()
        return names

    assert classes() == ["background", "disk", "square"]
    header = table.get_by_role("button", name="FCN-16s")
    header.focus()
    page.keyboard.press("Enter")
    assert classes() == ["background", "disk", "square"]  # 90, 72, 50: descending
    page.keyboard.press("Enter")
    assert classes() == ["square", "disk", "background"]
    sorted_by = table.locator("th[aria-sort]")
    assert (sorted_by.count(), sorted_by.get_attribute("aria-sort")) == (1, "ascending")

    shown = section.locator(".pictures").first.locator("figure:visible")
    assert shown.count() == 4  # image, label and two predictions
    section.get_by_role("radio", name="all rows").focus()
    page.keyboard.press("ArrowDown")
    assert shown.locator("figcaption").all_inner_texts()[2:] == ["FCN-32s, mean IU 100.0"]


def test_all_variants_and_folded_parts_are_printed(browser: Any, page_file: Path) -> None:
    page = browser.new_page()
    page.goto(page_file.as_uri())
    section = page.locator("section[aria-labelledby=cvpr2015-table2-shapes]")
    section.get_by_role("radio", name="FCN-16s").last.check()
    predictions = section.locator(".pictures").first.locator(".variant:visible")
    assert predictions.count() == 1
    page.emulate_media(media="print")
    assert predictions.count() == 2
    assert not section.locator("fieldset").first.is_visible()
    assert page.pdf(format="A4").startswith(b"%PDF")
