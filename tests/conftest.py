"""What the tests of all rooms share: narrow networks, tiny runs, a process left as it was found."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import jaxtyping
import numpy as np
import pytest
import torch
from torch import nn

from fcn_lightning.data import shapes
from fcn_lightning.models import Network, build

NARROW = {
    "vgg16": {"name": "vgg16", "widths": (4, 8, 16, 32, 32), "fc_widths": (64, 64)},
    "alexnet": {"name": "alexnet", "widths": (6, 16, 24, 24, 16), "fc_widths": (64, 64)},
    "caffenet": {"name": "caffenet", "widths": (6, 16, 24, 24, 16), "fc_widths": (64, 64)},
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "shared" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.shared)


@pytest.fixture(autouse=True)
def restored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test starts from one seed in an empty folder, and leaves all as it was."""
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
    """Without the types' check of arguments, so that users' own errors are seen."""
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
    """Builds a network of few channels whose layers, the scoring ones too, are drawn at random."""

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
    data = tmp_path_factory.mktemp("data")
    counts = {"TRAIN": 6, "VAL": 5, "SHARED": 2, "SINGLE_TRAIN": 12, "SINGLE_VAL": 6}
    with pytest.MonkeyPatch.context() as patch:
        for name, count in counts.items():
            patch.setattr(shapes, f"NUM_{name}", count)
        shapes.draw(data / "shapes")
    return data


@pytest.fixture
def tiny(tiny_data: Path, tmp_path: Path) -> Callable[..., list[str]]:
    """Overrides of a run of two updates under `tmp_path`; the last of two for one key counts."""

    def overrides(*own: str, classifier: str | None = "null") -> list[str]:
        common = [
            f"paths.data={tiny_data}",
            f"paths.runs={tmp_path / 'runs'}",
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
