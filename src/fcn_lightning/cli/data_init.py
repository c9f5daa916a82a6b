"""`fcn data init FOLDER`: a data config and a class file for images and labels of one's own."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from fcn_lightning.cli.errors import reported


def init(
    folder: Annotated[Path, typer.Argument(help="The folder of images and labels.")],
    name: Annotated[
        str | None, typer.Option(help="The name of the data set; the folder's own.")
    ] = None,
    config_dir: Annotated[
        Path, typer.Option(help="Where the config goes, for --config-dir of other commands.")
    ] = Path("mine"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
    traceback: Annotated[bool, typer.Option("--traceback", help="Full tracebacks.")] = False,
) -> None:
    """Write a data config and a class file for a folder, and say what was guessed.

    Nothing in the folder is changed. Look at both files before you use them.
    """
    from fcn_lightning.data.guess import guess
    from fcn_lightning.files import check_target

    own = re.sub(r"[^\w-]+", "_", name or folder.resolve().name)
    config, classes = config_dir / "data" / f"{own}.yaml", config_dir / f"{own}.classes.yaml"
    with reported(traceback):
        found = guess(folder)
        config.parent.mkdir(parents=True, exist_ok=True)
        for path in (config, classes):
            check_target(path, overwrite=overwrite)
        keys = {"defaults": ["folder"], "name": own, "classes": str(classes.resolve())}
        config.write_text(f"# {folder}, as guessed.\n" + _yaml({**keys, **found.config}))
        classes.write_text("# The classes, in the order of their labels.\n" + _yaml(found.classes))
    for sentence in found.said:
        sys.stdout.write(f"{sentence}\n")
    sys.stdout.write(
        f"Wrote {config} and {classes}. Correct them where the guesses are wrong, and then:\n"
        f"  fcn data check {own} --config-dir {config_dir}\n"
        f"  fcn-train --config-dir {config_dir} experiment=folder data={own}\n"
    )


def _yaml(content: object) -> str:
    import yaml

    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, default_flow_style=None)
