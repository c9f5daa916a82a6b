"""Finished and interrupted runs."""

import zipfile
from collections.abc import Callable

import numpy as np
from omegaconf import OmegaConf

from catalogue.case import RUN, Case
from catalogue.prepared import all_of, checkpoint, data, finished, text
from fcn_lightning.runs.record import Start
from fcn_lightning.runs.run import compose_run

TITLE = "Runs, comparisons and interrupted writes"
A, B = "runs/shapes/fcn32s/seed0", "runs/shapes/fcn32s/seed1"
a, b = finished(A), finished(B)


def other_config() -> None:
    """Write the configuration of a run of three steps."""
    overrides = ["experiment=shapes", "init_from=null", "recipe.max_steps=3", "logger=csv"]
    run = compose_run([*overrides, "trainer=cpu"])
    text(f"{RUN}/config.yaml", OmegaConf.to_yaml(run.config, resolve=True))()


def starts() -> None:
    """Write two runs, of which the second starts from the first."""
    a()
    finished("runs/shapes/fcn16s/seed0", start={"": Start(path=A, config=None)})()


def claims() -> None:
    """Write arrays of a terabyte, without their values."""
    b()
    header = {"descr": "<i8", "fortran_order": False, "shape": (1 << 20, 400, 400)}
    with zipfile.ZipFile(f"{B}/per_image.npz", "w") as archive:
        for name in ("names", "confusion", "average_over"):
            with archive.open(f"{name}.npy", "w") as file:
                np.lib.format.write_array_header_1_0(file, header)


def objects() -> None:
    """Write names that are pickles."""
    b()
    np.savez(f"{B}/per_image.npz", names=np.array([{}], object))


def damaged_last(content: bytes = b"") -> Callable[[], None]:
    """Write a run whose last checkpoint is damaged; its best one is whole."""
    return all_of(
        checkpoint(f"{RUN}/checkpoints/best.ckpt"), text(f"{RUN}/checkpoints/last.ckpt", content)
    )


CASES = [
    Case(
        "no folder of runs",
        "fcn runs list",
        "There is no folder runs. Name the folder of runs with --runs DIR.",
    ),
    Case(
        "an unknown state",
        "fcn runs list --state finished",
        "`--state` is done, running, stopped or broken; got 'finished'.",
        files=a,
    ),
    Case(
        "no such run",
        "fcn runs show fcn8s/seed0",
        "There is no run fcn8s/seed0. `fcn runs list` names them.",
        files=a,
    ),
    Case(
        "removing without an answer",
        "fcn runs rm fcn32s/seed0",
        "Removing needs an answer on a terminal, or --yes.",
        files=a,
    ),
    Case(
        "removing what another run starts from",
        "fcn runs rm fcn32s/seed0 --yes",
        (
            "runs/shapes/fcn16s/seed0 starts from runs/shapes/fcn32s/seed0. Remove the later run "
            "first."
        ),
        files=starts,
    ),
    Case(
        "a run without scores",
        f"fcn compare {A} {B}",
        "runs/shapes/fcn32s/seed1 is not a finished run: it has no per_image.npz.",
        files=a,
    ),
    Case(
        "runs on other images",
        f"fcn compare {A} {B}",
        (
            "runs/shapes/fcn32s/seed0 and runs/shapes/fcn32s/seed1 were scored on different "
            "images. Compare runs of one split."
        ),
        files=all_of(a, finished(B, ("a", "c"))),
    ),
    Case(
        "scores that are not complete",
        f"fcn compare {A} {B}",
        (
            "runs/shapes/fcn32s/seed0/scores.json: not a record of format 2 (Invalid JSON: EOF "
            "while parsing an object at line 1 column 12). Train the run again with "
            "overwrite=true."
        ),
        files=all_of(a, b, text(f"{A}/scores.json", '{"format": 2')),
    ),
    Case(
        "scores of images that are cut off",
        f"fcn compare {A} {B}",
        (
            "runs/shapes/fcn32s/seed1/per_image.npz is damaged: File is not a zip file. Train the "
            "run again."
        ),
        files=all_of(a, b, text(f"{B}/per_image.npz", b"PK\x03\x04")),
    ),
    Case(
        "scores of images that claim a terabyte",
        f"fcn compare {A} {B}",
        (
            "runs/shapes/fcn32s/seed1/per_image.npz is damaged: an array of the shape (1048576, "
            "400, 400) does not fit its file. Train the run again."
        ),
        files=all_of(a, claims),
    ),
    Case(
        "scores of images that are pickles",
        f"fcn compare {A} {B}",
        (
            "runs/shapes/fcn32s/seed1/per_image.npz is damaged: an array has objects of Python, "
            "which would have to be run. Train the run again."
        ),
        files=all_of(a, objects),
    ),
    Case(
        "nothing to resume",
        "fcn-train experiment=shapes resume=true",
        "Nothing to resume: {run} does not exist. Leave out resume=true.",
    ),
    Case(
        "resumed and replaced",
        "fcn-train experiment=shapes resume=true overwrite=true",
        "A run is either resumed or replaced; got resume=true and overwrite=true.",
    ),
    Case(
        "a run that exists",
        "fcn-train experiment=shapes",
        "{run} already exists. Resume it with resume=true or replace it with overwrite=true.",
        files=all_of(data, text(f"{RUN}/scores.json", "{}")),
    ),
    Case(
        "a run of another configuration",
        "fcn-train experiment=shapes resume=true",
        (
            "{run} was started with another configuration: recipe.max_steps is 1, not 3. Resume "
            "it with its own, or replace it with overwrite=true. To train it longer, start a new "
            "run with ckpt_path={run} and a larger recipe.max_steps."
        ),
        files=all_of(data, other_config),
    ),
    Case(
        "a configuration that is not complete",
        "fcn-train experiment=shapes resume=true",
        (
            "{run}/config.yaml is not YAML: did not find expected node content, line 2. Replace "
            "the run with overwrite=true."
        ),
        files=all_of(data, text(f"{RUN}/config.yaml", "recipe: {lr: ")),
    ),
    Case(
        "an empty last checkpoint",
        "fcn-train experiment=shapes resume=true",
        (
            "{run}/checkpoints/last.ckpt is damaged: it is empty, truncated or no checkpoint. "
            "Continue from the best one (cp {run}/checkpoints/best.ckpt "
            "{run}/checkpoints/last.ckpt), or replace the run with overwrite=true."
        ),
        files=all_of(data, damaged_last()),
    ),
    Case(
        "a last checkpoint that is cut off",
        "fcn-train experiment=shapes resume=true",
        (
            "{run}/checkpoints/last.ckpt is damaged: it is empty, truncated or no checkpoint. "
            "Continue from the best one (cp {run}/checkpoints/best.ckpt "
            "{run}/checkpoints/last.ckpt), or replace the run with overwrite=true."
        ),
        files=all_of(data, damaged_last(b"PK\x03\x04cut")),
    ),
]
