"""Data of one's own, by the function and the configs of docs/running.md."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fcn_lightning.runs.data import data_config
from fcn_lightning.runs.evaluate import evaluate
from fcn_lightning.runs.run import compose_run
from fcn_lightning.runs.train import train

DOCS = Path(__file__).parents[2] / "docs" / "running.md"


def block(start: str) -> str:
    """Return the indented block of the docs that starts with this line."""
    text = DOCS.read_text()
    found = re.search(rf"    {re.escape(start)}\n(?:    .*\n|\n(?=    |\n    ))*", text)
    assert found is not None
    return "\n".join(line[4:] for line in found[0].splitlines()) + "\n"


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the docs, with five images of 19 classes."""
    rng, root = np.random.default_rng(0), tmp_path / "data" / "streets"
    for folder in ("images", "labels"):
        (root / folder).mkdir(parents=True)
    for i in range(5):
        pixels = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "images" / f"{i}.jpg")
        label = rng.integers(0, 19, (40, 50), dtype=np.uint8)
        Image.fromarray(label).save(root / "labels" / f"{i}.png")
    (root / "val.txt").write_text("3\n4\n")
    mine = tmp_path / "mine"
    for folder in ("data", "experiment"):
        (mine / folder).mkdir(parents=True)
    (mine / "streets.py").write_text(block("from pathlib import Path"))
    classes = ", ".join(f"class{i}" for i in range(19))
    config = block("_target_: streets.splits").replace("[road, sidewalk]", f"[{classes}]")
    (mine / "data" / "streets.yaml").write_text(config)
    experiment = block("# @package _global_\n    defaults:\n      - override /data: streets")
    (mine / "experiment" / "streets.yaml").write_text(experiment)
    monkeypatch.syspath_prepend(mine)
    return mine


def test_the_example_of_the_docs_trains_and_evaluates(
    mine: Path, tiny: Callable[..., list[str]], tmp_path: Path
) -> None:
    own = [*tiny("experiment=streets"), f"paths.data={tmp_path / 'data'}", "augment.crop=32"]
    run = compose_run(own, config_dir=mine)
    record = train(run)
    assert (record.data, record.split, record.num_images) == ("streets", "streets/val", 2)
    assert record.lists["num_train"] == 3
    assert len(record.class_iu) == 19
    again = evaluate(run.folder, None, None, config_dir=mine)
    assert again["scores"] == record.scores


def test_a_data_config_without_a_name_is_refused(mine: Path) -> None:
    config = mine / "data" / "streets.yaml"
    config.write_text(config.read_text().replace("name: streets\n", ""))
    with pytest.raises(ValueError, match="has no `name`") as error:
        data_config("streets", {}, None, mine)
    assert str(error.value) == (
        "The data config has no `name`. Add `name: NAME`, the name of its file."
    )
