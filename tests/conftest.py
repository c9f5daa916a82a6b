"""Fixtures for all tests: narrow networks, tiny runs, a restored process state.

Heavy imports are in the fixtures: pytest-xdist's main process loads this file and runs no test.
"""

from __future__ import annotations

import copy
import functools
import gc
import os
import random
import re
from collections.abc import Callable, Iterator, Mapping
from importlib.util import cache_from_source, find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jaxtyping._import_hook
import numpy as np
import pytest
import yaml

if TYPE_CHECKING:
    from fcn_lightning.models import Network

NARROW = {
    "vgg16": {"name": "vgg16", "widths": (4, 8, 16, 32, 32), "fc_widths": (64, 64)},
    "vgg19": {"name": "vgg19", "widths": (4, 8, 16, 32, 32), "fc_widths": (64, 64)},
    "alexnet": {"name": "alexnet", "widths": (6, 16, 24, 24, 16), "fc_widths": (64, 64)},
    "caffenet": {"name": "caffenet", "widths": (6, 16, 24, 24, 16), "fc_widths": (64, 64)},
    "googlenet": {"name": "googlenet", "stem": (4, 4, 8), "inceptions": ((4,) * 6,) * 9},
}

LONGEST = (
    "launch/test_sweeps.py", "integration/test_processes.py", "integration/test_data_sets.py",
    "integration/test_stopping.py", "tables/test_plan.py", "cli/test_table.py",
    "integration/test_run.py", "launch/test_launchers.py", "models/test_dense.py",
)  # fmt: skip
"""The files that take longest. They come first, so that no process ends long after the others."""

marked_cache = jaxtyping._import_hook._optimized_cache_from_source


def pytest_configure() -> None:
    """Checks arrays' types and shapes at run time; mypy checks all other types.

    Other packages keep their bytecode. While a module is imported, jaxtyping looks for its own kind
    of bytecode for all modules: torch, SciPy and others would be compiled again in each process,
    for 13 s of CPU time.
    """

    def cache(checker: str, path: str, debug_override: None = None) -> str:
        installed = re.search(r"[/\\]site-packages[/\\](?!fcn_lightning)", path)
        return cache_from_source(path) if installed else marked_cache(checker, path)

    jaxtyping._import_hook._optimized_cache_from_source = cache
    jaxtyping.install_import_hook(with_shapes(), "beartype.beartype")
    gc.disable()  # imports leave no garbage
    yaml.SafeLoader = yaml.CSafeLoader  # type: ignore[assignment, misc]  # OmegaConf's base


def with_shapes() -> list[str]:
    """The modules that name shapes of arrays."""
    (package,) = find_spec("fcn_lightning").submodule_search_locations  # type: ignore[union-attr, misc]
    sources = sorted(Path(package).rglob("*.py"))
    named = [path for path in sources if "from jaxtyping import" in path.read_text()]
    return [
        ".".join(["fcn_lightning", *path.relative_to(package).with_suffix("").parts])
        for path in named
    ]


def pytest_collection_finish() -> None:
    """Leaves what has been imported out of the searches for garbage, a tenth of all time."""
    import typer.testing

    import composing

    composing.files_once()
    typer.testing._get_command = functools.cache(typer.testing._get_command)
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def rank(item: pytest.Item) -> int:
        file = item.nodeid.partition("::")[0].removeprefix("tests/")
        return LONGEST.index(file) if file in LONGEST else len(LONGEST)

    items.sort(key=rank)
    for item in items:
        if "shared" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.shared)


@pytest.fixture(autouse=True)
def restored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Starts each test in an empty folder from one seed; restores generators and environment."""
    import torch

    monkeypatch.chdir(tmp_path)
    environment, python, numpy = dict(os.environ), random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
    random.setstate(python)
    np.random.set_state(numpy)
    os.environ.clear()
    os.environ.update(environment)


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Without the check of arrays' types, so that users' own errors are seen."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The reference's data; skips where there is none."""
    if "FCN_SHARED" not in os.environ:
        pytest.skip("FCN_SHARED does not name the folder with the reference's data")
    return Path(os.environ["FCN_SHARED"])


@pytest.fixture
def narrow() -> Callable[..., Network]:
    """Builds a network of few channels with random weights, scoring layers included."""
    from torch import nn

    from fcn_lightning.models import build

    def make(
        skips: tuple[str, ...] = (),
        backbone: str = "vgg16",
        num_classes: int | dict[str, int] = 21,
        head: dict[str, object] | None = None,
        normalize: str | dict[str, str] = "caffe",
        fusion: str | None = None,
        **arguments: object,
    ) -> Network:
        network = build(
            backbone={**NARROW[backbone], **arguments},
            head=head or {"name": "skip", "skips": skips},
            num_classes=num_classes,
            normalize=normalize,
            fusion=fusion,
        )
        for name, parameter in network.named_parameters():
            if "score" in name and "upscore" not in name:
                nn.init.normal_(parameter, std=0.1)
        return network.eval()

    return make


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`paths.data` of an embedded set of 6 + 5 scenes and 12 + 6 single shapes."""
    import trees

    data = tmp_path_factory.mktemp("data")
    trees.few_shapes(data / "shapes")
    return data


@pytest.fixture(scope="session")
def tiny(tiny_data: Path) -> Callable[..., list[str]]:
    """Overrides of a run of two steps below this folder; the last of two for one key counts."""

    def overrides(*own: str, classifier: str | None = "null") -> list[str]:
        common = [
            f"paths.data={tiny_data}",
            f"paths.runs={Path.cwd() / 'runs'}",
            "trainer=cpu",
            "num_workers=0",
            "logger=csv",
            "recipe.max_steps=2",
            "recipe.val_every=2",
            "recipe.batch=2",
            "backbone.widths=[4,4,8,8,8]",
            "backbone.fc_widths=[16,16]",
        ]
        start = [] if classifier is None else [f"classifier={classifier}"]
        return [*start, *common, *own]

    return overrides


@pytest.fixture
def runs() -> Path:
    """The folder of runs, of the same name in each test, so that configs are composed once."""
    folder = Path("runs")
    folder.mkdir()
    return folder


@functools.cache
def composed_once(overrides: tuple[str, ...], config_dir: Path | None) -> Any:
    from fcn_lightning.runs.compose import compose

    return compose(overrides, config_dir)


@pytest.fixture
def composing_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plans of tables compose equal overrides once in all tests."""
    from fcn_lightning.tables import plan

    monkeypatch.setattr(plan, "compose", composed_once)


@pytest.fixture
def config_of() -> Callable[..., dict[str, Any]]:
    """Composes the configuration of a run below `runs`, with some keys changed: `recipe.lr`."""
    from fcn_lightning.runs.expected import expected

    def config_of(
        experiment: str, head: str, seed: int, changes: Mapping[str, Any] = {}
    ) -> dict[str, Any]:
        paths = {"runs": "runs", "data": "data"}
        composed = expected(f"experiment={experiment}", f"head={head}")
        values = composed.with_values({"seed": seed, "paths": paths})
        config: dict[str, Any] = copy.deepcopy(values)
        for key, value in changes.items():
            *above, last = key.split(".")
            functools.reduce(dict.__getitem__, above, config)[last] = value
        return config

    return config_of


BEFORE = {
    "classifier": None, "fcn32s_fixed": "classifier", "fcn32s": "classifier", "fcn16s": "fcn32s",
    "fcn8s": "fcn16s", "fcn8s_at_once": "classifier",
}  # fmt: skip


@pytest.fixture
def finish(runs: Path, config_of: Callable[..., dict[str, Any]]) -> Callable[..., Path]:
    """Writes the scores.json of a run below `runs`, and returns the run's folder."""
    from fcn_lightning.runs.record import Record, Start

    def finish(
        run: str,
        scores: tuple[float | None, ...] = (0.9, 0.5, 0.4, 0.8),
        config: Mapping[str, Any] = {},
        start: Mapping[str, Any] = {},
        **changes: object,
    ) -> Path:
        experiment, variant, seed_folder = run.split("/")[-3:]
        head, seed = variant.partition("-")[0], int(seed_folder.removeprefix("seed"))
        own = config_of(experiment, head, seed, config)
        starts: dict[str, Start] = {}
        if (before := BEFORE[head]) and own["init_from"] == "default":
            first = before == "classifier"
            above = "shapes_classifier" if first and experiment == "shapes" else experiment
            place = (
                "vgg16.pth" if first and experiment != "shapes" else f"{above}/{before}/seed{seed}"
            )
            made_by = None if place == "vgg16.pth" else config_of(above, before, seed, start)
            starts[""] = Start(path=place, config=made_by)
        names = ("pixel_acc", "mean_acc", "mean_iu", "fw_iu", "mean_iu_subset")
        record = Record(
            experiment=experiment, variant=variant, head=head, seed=seed, debug=None, tags=[],
            data=own["data"]["name"], split="voc/val", split_size=100, num_images=100,
            checkpoint="last", step=own["recipe"]["max_steps"],
            scores=dict(zip(names, scores), loss=0.3), class_iu={"background": None},
            average_over=[], best_val=None, lists={}, start=starts, precision="32-true",
            num_processes=1, device="cpu", seconds=60.0, commit="0123456789abcdef+", versions={},
            config=own,
        )  # fmt: skip
        folder = runs / run
        folder.mkdir(parents=True, exist_ok=True)
        record.model_copy(update=changes).write(folder)
        return folder

    return finish
