"""Draws the figures of the README again, from the runs of `make table2`.

docs/table2-shapes.png is the picture that `fcn table run` writes; docs/report.png shows a part
of the report of Table 2 in Chromium.
"""

import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

DOCS = Path(__file__).parents[1] / "docs"
SIZE = {"width": 1100, "height": 1000}
SECTION = "section[aria-labelledby=cvpr2015-table2-shapes]"


def main() -> None:
    """Write the figures; the folder of runs is the first argument, or `runs`."""
    runs = Path(sys.argv[1] if len(sys.argv) > 1 else "runs")
    if not (chromium := shutil.which("chromium") or shutil.which("google-chrome")):
        sys.exit("Chromium is not installed. On Debian and Ubuntu, tests/report/install does it.")
    shutil.copy(runs / "tables" / "cvpr2015-table2-shapes.png", DOCS / "table2-shapes.png")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page_file = Path(folder, "report.html")
        command = ["report", "table2", "--runs", str(runs), "--out", str(page_file)]
        subprocess.run([sys.executable, "-m", "fcn_lightning.cli.fcn", *command], check=True)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE, color_scheme="light")
        page.goto(page_file.as_uri())
        section = page.locator(SECTION)
        top = section.get_by_role("heading", name="IU of each class").bounding_box()
        last = section.locator(".pictures").first.bounding_box()
        clip = {"x": 0, "y": top["y"], "width": SIZE["width"]}
        clip["height"] = last["y"] + last["height"] - top["y"]
        picture = Image.open(io.BytesIO(page.screenshot(full_page=True, clip=clip)))
        browser.close()
    picture.convert("RGB").save(DOCS / "report.png", optimize=True)


if __name__ == "__main__":
    main()
