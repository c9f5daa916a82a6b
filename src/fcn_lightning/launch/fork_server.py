"""A process that imports modules, and then forks a job for each line that it reads.

A fork goes on as a command would: with the environment that this process was started with, and an
interpreter of its own that ends as usual.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import sys
from pathlib import Path

from fcn_lightning.runs.processes import end_with_parent


def main() -> None:
    """Import the modules named as arguments; then start jobs until standard input ends.

    A job is a line of JSON, [number, module, arguments, log]; `main` of the module is called. On
    standard output, the answers are `number pid` when it starts, and `number pid status` when it
    has ended.
    """
    end_with_parent()
    answers = os.dup(1)
    os.dup2(2, 1)  # for what is printed while modules are imported
    for name in sys.argv[1:]:
        with contextlib.suppress(ImportError):  # the job will say so
            importlib.import_module(name)
    gc.freeze()  # searches for garbage in forks would copy this memory
    running: dict[int, int] = {}
    received = b""
    while True:
        if select.select([0], [], [], 0.05)[0]:
            if not (part := os.read(0, 65536)):
                return
            *lines, received = (received + part).split(b"\n")
            for line in lines:
                number, module, arguments, log = json.loads(line)
                if (pid := os.fork()) == 0:
                    os.close(answers)
                    _run(module, arguments, Path(log))
                    return
                running[pid] = number
                os.write(answers, f"{number} {pid}\n".encode())
        while running:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            code = os.waitstatus_to_exitcode(status)
            os.write(answers, f"{running.pop(pid)} {pid} {code}\n".encode())


def _run(module: str, arguments: list[str], log: Path) -> None:
    os.setsid()
    for number, path, flags in ((0, os.devnull, os.O_RDONLY), (1, log, os.O_WRONLY | os.O_APPEND)):
        file = os.open(path, flags | os.O_CREAT, 0o666)
        os.dup2(file, number)
        os.close(file)
    os.dup2(1, 2)
    sys.argv = [module, *arguments]
    importlib.import_module(module).main()


if __name__ == "__main__":
    main()
