"""The page of the catalogue."""

from __future__ import annotations

from pathlib import Path

from catalogue.case import SMALL, Case
from catalogue.groups import GROUPS

HEAD = """# Wrong input, and what is said

A command that is refused prints one sentence, ends with status 2, and writes nothing. Status 1
means that some items were bad and the others were done. Each row is a test
(`tests/catalogue/`) that compares the whole sentence. HERE is the working directory, RUN the folder
of the run. Small runs also have `{small}`.

`PYTHONPATH=tests python -m catalogue > docs/errors.md` prints this page.
"""


def page() -> str:
    """The page in Markdown: a table for each group, and then what is known of crafted files."""
    trust = (Path(__file__).parent / "trust.md").read_text()
    small = HEAD.format(small=" ".join(SMALL[1:]))
    return "\n".join([small, *map(_group, GROUPS), trust])


def _group(title: str) -> str:
    rows = "".join(map(_row, GROUPS[title]))
    return f"## {title}\n\n| | command | sentence | status |\n|---|---|---|---|\n{rows}"


def _row(case: Case) -> str:
    command = case.in_page(case.command).replace("|", "\\|")
    sentence = case.in_page(case.sentence).replace("|", "\\|").replace("<", "&lt;")
    return f"| {case.wrong} | `{command}` | {sentence} | {case.status} |\n"
