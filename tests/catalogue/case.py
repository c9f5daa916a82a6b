"""A wrong command, and all that it gets."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Literal, NamedTuple
from unittest import mock

RUN = "runs/shapes/fcn32s-init_from-null-max_steps-1/seed0"
"""The folder of the run that `fcn-train experiment=shapes` makes here: RUN in the page."""

SMALL = (
    "experiment=shapes", "data.root=data", "logger=csv", "trainer=cpu", "num_workers=0",
    "init_from=null", "recipe.max_steps=1",
)  # fmt: skip
"""What the command of a case does not show: it makes the run small."""

LOG_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ")


class Outcome(NamedTuple):
    """The exit status of a command, and what it printed."""

    status: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Case:
    """A command that is refused, or that names what is broken and goes on.

    Attributes:
        wrong: What is wrong.
        command: As it is typed in a folder of one's own, HERE; {run} is the folder of its run.
        sentence: All that it says, with {here} and {run}.
        status: The exit status.
        files: Writes the files that the command finds in HERE.
        writes: Patterns of the files that it may write; all others are as before.
        shown: The stream that has the sentence; on standard output beside other lines.
    """

    wrong: str
    command: str
    sentence: str
    status: int = 2
    files: Callable[[], object] = lambda: None
    writes: tuple[str, ...] = ()
    shown: Literal["stdout", "stderr"] = "stderr"

    def in_page(self, text: str) -> str:
        """The command or sentence with its placeholders."""
        return text.replace("{here}", "HERE").replace("{run}", "RUN")

    def in_test(self, text: str) -> str:
        """The command or sentence with the folders of this test."""
        return text.replace("{here}", str(Path.cwd())).replace("{run}", RUN)


def run(command: str) -> Outcome:
    """Run a command in this process, as a user's shell starts it in the working directory."""
    program, *arguments = shlex.split(command)
    if program == "fcn":
        from typer.testing import CliRunner

        from fcn_lightning.cli import fcn

        done = CliRunner().invoke(fcn.app, arguments)
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Outcome(done.exit_code, done.stdout, done.stderr)
    from fcn_lightning.cli import train

    status, stdout, stderr = 0, StringIO(), StringIO()
    given = {argument.lstrip("+~").partition("=")[0] for argument in arguments}
    small = [each for each in SMALL if each.partition("=")[0] not in given]
    argv = mock.patch.object(sys, "argv", ["fcn-train", *arguments, *small])
    with argv, redirect_stdout(stdout), redirect_stderr(stderr):
        try:
            train.main()
        except SystemExit as ended:
            status = int(ended.code or 0)
    printed = "".join(
        line for line in stderr.getvalue().splitlines(keepends=True) if not LOG_LINE.match(line)
    )
    return Outcome(status, stdout.getvalue(), printed)


def files_below(folder: Path) -> dict[str, tuple[int, int]]:
    """The size and the time of each file, and of each empty folder."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_size, path.lstat().st_mtime_ns)
        for path in folder.rglob("*")
        if not path.is_dir() or not any(path.iterdir())
    }
