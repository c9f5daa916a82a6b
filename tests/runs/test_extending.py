"""Data, backbones, losses, recipes and tables of one's own, by docs/extending.md."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

import extending
from fcn_lightning.formats import read_checkpoint
from fcn_lightning.models.backbones import BACKBONES
from fcn_lightning.runs.data import data_config
from fcn_lightning.runs.evaluate import evaluate
from fcn_lightning.runs.own_backbones import register_all
from fcn_lightning.runs.run import compose_run
from fcn_lightning.runs.train import train
from fcn_lightning.tables.definitions import read_table


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the docs; BACKBONES as before afterwards."""
    extending.draw_streets(tmp_path / "data" / "streets")
    mine = extending.write_examples(tmp_path)
    monkeypatch.syspath_prepend(mine)
    monkeypatch.setattr("fcn_lightning.runs.own_backbones.BACKBONES", BACKBONES)
    monkeypatch.setitem(BACKBONES, "dilated", None)
    del BACKBONES["dilated"]
    return mine


def own(tmp_path: Path, *overrides: str) -> list[str]:
    return [
        "experiment=streets", f"paths.data={tmp_path / 'data'}", f"paths.runs={tmp_path / 'runs'}",
        "trainer=cpu", "num_workers=0", "logger=csv", "recipe.max_steps=2", "recipe.val_every=2",
        "recipe.batch=2", "augment.crop=32", *overrides,
    ]  # fmt: skip


def test_the_example_of_data_trains_and_evaluates(
    mine: Path, tiny: Callable[..., list[str]], tmp_path: Path
) -> None:
    run = compose_run(
        [*tiny("experiment=streets"), f"paths.data={tmp_path / 'data'}", "augment.crop=32"],
        config_dir=mine,
    )
    record = train(run)
    assert (record.data, record.split, record.num_images) == ("streets", "streets/val", 2)
    assert record.lists["num_train"] == 3
    assert list(record.class_iu) == ["road", "sidewalk"]
    again = evaluate(run.folder, None, None, config_dir=mine)
    assert again["scores"] == record.scores


def test_a_backbone_and_a_loss_of_ones_own(mine: Path, tmp_path: Path) -> None:
    overrides = own(
        tmp_path, "backbone=dilated", "backbone.width=4", "head.skips=[fine]", "init_from=null",
        "recipe=focal",
    )  # fmt: skip
    run = compose_run(overrides, config_dir=mine)
    record = train(run)
    # All scores start at zero: half the probability for each class.
    first = float((run.folder / "metrics.csv").read_text().splitlines()[1].split(",")[1])
    assert first == pytest.approx(0.25 * torch.log(torch.tensor(2.0)).item(), rel=1e-3)
    assert record.scores["loss"] == pytest.approx(0.693, rel=0.05)
    text = " ".join((run.folder / "network.txt").read_text().split())
    assert "coarse 8 channels, stride 16, offset 0, receptive field 79" in text
    again = evaluate(run.folder, None, None, config_dir=mine)
    assert again["scores"] == record.scores

    del BACKBONES["dilated"]
    checkpoint = read_checkpoint(run.folder)
    assert checkpoint.card["network"]["backbone"] == {"name": "dilated", "width": 4}
    with pytest.raises(ValueError, match="backbone of your own") as error:
        checkpoint.network()
    assert str(error.value) == (
        f"{run.folder}/checkpoints/last.ckpt has a backbone of your own, 'dilated'. Add "
        "--config-dir DIR, the folder with its backbone/dilated.yaml; in Python, set "
        "BACKBONES['dilated'] to its function."
    )
    register_all(mine)
    assert type(checkpoint.network().backbone).__name__ == "Dilated"


def test_the_focal_loss_without_focus_is_the_softmax_loss(mine: Path) -> None:
    from focal import focal_loss  # type: ignore[import-not-found]

    score, label = torch.randn(2, 3, 4, 5), torch.randint(0, 3, (2, 4, 5), dtype=torch.uint8)
    label[0, :2] = 255
    expected = [
        F.cross_entropy(s[None], y[None].long(), ignore_index=255) for s, y in zip(score, label)
    ]
    torch.testing.assert_close(focal_loss(score, label, 0.0), torch.stack(expected))


def test_a_loss_that_is_not_one_for_each_image_is_refused(mine: Path, tmp_path: Path) -> None:
    overrides = own(
        tmp_path,
        "backbone=dilated",
        "init_from=null",
        "recipe=focal",
        "recipe.loss._target_=mean.of",
    )
    (mine / "mean.py").write_text("def of(score, label, gamma):\n    return score.mean()\n")
    with pytest.raises(
        ValueError, match="must return the loss of each image, 2 here; got"
    ) as error:
        train(compose_run(overrides, config_dir=mine))
    assert str(error.value).endswith("got the shape ().")


def test_what_cannot_be_imported_is_named(mine: Path, tmp_path: Path) -> None:
    config = mine / "backbone" / "dilated.yaml"
    good = config.read_text()
    config.write_text(good.replace("dilated.Dilated", "nowhere.Dilated"))
    with pytest.raises(ValueError, match=r"cannot be imported from nowhere\.Dilated"):
        compose_run(own(tmp_path, "backbone=dilated", "init_from=null"), config_dir=mine)
    config.write_text(good.replace("name: dilated", "name: vgg16"))
    with pytest.raises(ValueError, match="has the name of another one: vgg16"):
        register_all(mine)
    assert BACKBONES["vgg16"].__module__.startswith("fcn_lightning.")


def test_the_example_of_a_table_is_read(mine: Path) -> None:
    table = read_table(str(mine / "table.yaml"))
    assert (table.id, [row.id for row in table.rows]) == ("table", ["softmax", "focal"])
    assert str(table.source) == "Our own, no table, on streets/val"


def test_a_data_config_without_a_name_is_refused(mine: Path) -> None:
    config = mine / "data" / "streets.yaml"
    config.write_text(config.read_text().replace("name: streets\n", ""))
    with pytest.raises(ValueError, match="has no `name`") as error:
        data_config("streets", {}, None, mine)
    assert str(error.value) == (
        "The data config has no `name`. Add `name: NAME`, the name of its file."
    )
