"""Every experiment trains and is scored on a tree in its official layout, by one process or two."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import trees
import warm
from fcn_lightning.cli.fcn import app
from fcn_lightning.labels import PASCAL_CONTEXT, SIFTFLOW
from fcn_lightning.runs.evaluate import evaluate
from fcn_lightning.runs.run import compose_run
from fcn_lightning.runs.train import train
from integration.test_commands import OFFLINE, records

SHORT = [
    "init_from=null", "trainer=cpu", "num_workers=0", "logger=csv", "recipe.max_steps=2",
    "recipe.val_every=2", "recipe.batch=2", "recipe.lr=1e-5", "recipe.lr_factor=1",
]  # fmt: skip
VGG = ["backbone.widths=[4,4,8,8,8]", "backbone.fc_widths=[16,16]"]
ALEXNET = ["backbone.widths=[6,16,24,24,16]", "backbone.fc_widths=[16,16]"]

LEARNING = [
    "trainer.precision=64-true", "recipe.loss=mean", "recipe.lr=0.05", "backbone.dropout=0",
]  # fmt: skip
"""Scores that differ so much that no rounding changes a prediction."""

VOC_LISTS = ["data.train=[voc/train,sbd/train]", "data.val=voc/val"]

OF_EXPERIMENTS: dict[str, tuple[str, list[str], int]] = {
    "voc": ("voc", [*VOC_LISTS, *VGG], 3),
    "voc_alexnet": ("voc", [*VOC_LISTS, *ALEXNET], 3),
    "voc_googlenet": ("voc", VOC_LISTS, 3),
    "voc_animals": ("voc", [*VGG, "trainer.precision=32-true", "augment.crop=32"], 3),
    "nyud_color": ("nyud", VGG, 3),
    "nyud_hha": ("nyud", VGG, 3),
    "nyud_color_d": ("nyud", VGG, 3),
    "nyud_color_hha": ("nyud", VGG, 3),
    "siftflow": ("siftflow", VGG, 2),
    "pascal_context": ("pascal_context", VGG, 2),
}
"""The folder of its tree, its overrides, and the number of images that it scores."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trees")
    trees.write(folder)
    return folder


def overrides(experiment: str, data: Path, runs: Path, *more: str) -> list[str]:
    place, own, _ = OF_EXPERIMENTS[experiment]
    where = [f"data.root={data / place}", f"paths.runs={runs}"]
    return [f"experiment={experiment}", *SHORT, *own, *where, *more]


def test_every_experiment_on_official_data_is_tried_here() -> None:
    files = (Path(__file__).parents[2] / "conf" / "experiment").glob("*.yaml")
    names = {path.stem for path in files}
    assert {name for name in names if not name.startswith(("shapes", "folder"))} == set(
        OF_EXPERIMENTS
    )


@pytest.mark.parametrize("experiment", OF_EXPERIMENTS)
def test_an_experiment_trains_and_is_scored(experiment: str, data: Path, tmp_path: Path) -> None:
    run = compose_run(overrides(experiment, data, tmp_path))
    record = train(run)
    assert (record.step, record.num_images) == (2, OF_EXPERIMENTS[experiment][2])
    again = evaluate(run.folder, None, None)
    assert again["scores"] == record.scores
    assert again["class_iu"] == record.class_iu


@pytest.fixture(scope="module")
def siftflow(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    return by_processes("siftflow", data, tmp_path_factory.mktemp("siftflow"))


@pytest.fixture(scope="module")
def fusion(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    return by_processes("nyud_color_hha", data, tmp_path_factory.mktemp("fusion"))


def by_processes(experiment: str, data: Path, top: Path) -> dict[int, Path]:
    """The run of one process, and that of two."""
    folders = {}
    for number in (1, 2):
        trainer = [f"trainer.devices={number}", "trainer.strategy=auto"] if number == 1 else []
        trainer = trainer or ["trainer=ddp_cpu", "trainer.devices=2"]
        logger = "logger=wandb" if (experiment, number) == ("siftflow", 1) else "logger=csv"
        more = *LEARNING, *trainer, logger, "memory_format=channels_last"
        own = overrides(experiment, data, top / str(number), *more)
        done = warm.run("train", *own, folder=top, ranks=number, environment=OFFLINE)
        assert done.returncode == 0, done.stderr
        (folders[number],) = (top / str(number)).glob("*/*/seed*")
    return folders


@pytest.mark.parametrize("name", ["siftflow", "fusion"])
def test_two_processes_score_every_head_as_one_does(
    name: str, request: pytest.FixtureRequest
) -> None:
    runs = request.getfixturevalue(name)
    one, two = (json.loads((runs[n] / "scores.json").read_text()) for n in (1, 2))
    assert two["num_processes"] == 2
    assert two["scores"].pop("loss") == pytest.approx(one["scores"].pop("loss"), rel=1e-9)
    for key in ("scores", "class_iu", "best_val", "num_images"):
        assert two[key] == one[key]
    assert 0.01 < one["scores"]["pixel_acc"] < 0.99
    arrays, others = (np.load(runs[n] / "per_image.npz") for n in (1, 2))
    assert sorted(arrays) == sorted(others)
    assert all(np.array_equal(arrays[key], others[key]) for key in arrays)


def test_each_head_has_its_scores(siftflow: dict[int, Path], data: Path) -> None:
    folder = siftflow[1]
    record: dict[str, Any] = json.loads((folder / "scores.json").read_text())
    images = np.load(folder / "per_image.npz")
    values = {name: np.load(data / "siftflow.npz") for name in ("sem", "geo")}
    for prefix, head, num_classes in (("", "sem", 33), ("geo/", "geo", 3)):
        counts = images[f"{prefix}confusion"]
        assert counts.shape == (2, num_classes, num_classes)
        for name, matrix in zip(images["names"], counts):
            label = values[head][f"{name}/label_{head}"]
            assert matrix.sum(1).tolist() == [int((label == c).sum()) for c in range(num_classes)]
        total = counts.sum(0).astype(float)
        with np.errstate(invalid="ignore"):
            iu = np.diag(total) / (total.sum(0) + total.sum(1) - np.diag(total))
        assert record["scores"][f"{prefix}mean_iu"] == pytest.approx(np.nanmean(iu), abs=1e-15)
        if head == "sem":
            kept = [i for i, c in enumerate(SIFTFLOW.classes) if c not in ("cow", "desert", "moon")]
            named = np.nanmean(iu[kept])
            assert record["scores"]["mean_iu_subset"] == pytest.approx(named, abs=1e-15)
    assert len(record["average_over"]) == 30
    assert list(record["class_iu"])[33:] == ["geo/sky", "geo/horizontal", "geo/vertical"]
    shown = CliRunner().invoke(app, ["compare", str(siftflow[1]), str(siftflow[2])]).stdout
    scores, _, classes = shown.partition("IU by class")
    titles = [line.partition(":")[0] for line in scores.splitlines()]
    assert titles == ["mean IU", "mean IU of the named classes", "geo mean IU"]
    assert scores.count(" = +0.00 (95 %") == 3
    assert "awning" in classes
    assert "mountain_e5" in classes


def test_pictures_show_every_head_and_modality(
    siftflow: dict[int, Path], fusion: dict[int, Path], data: Path
) -> None:
    with np.load(data / "siftflow.npz") as values:
        for part, head in (("", "sem"), (".geo", "geo")):
            shown = np.array(Image.open(siftflow[1] / f"pictures/highway_d4{part}.label.png"))
            assert np.array_equal(shown, values[f"highway_d4/label_{head}"][0])
    kinds = {path.name.removeprefix("5001.") for path in fusion[1].glob("pictures/5001.*")}
    assert kinds == {"png", "image.png", "hha.image.png", "label.png", "prediction.png"}
    hha = np.array(Image.open(data / "nyud/data/hha/img_5001.png"))
    assert np.array_equal(np.array(Image.open(fusion[1] / "pictures/5001.hha.image.png")), hha)


def test_wandb_has_the_masks_and_scores_of_every_head(siftflow: dict[int, Path]) -> None:
    rows = [
        {"/".join(item.nested_key) or item.key for item in record.history.item}
        for record in records(siftflow[1])
        if record.HasField("history")
    ]
    keys = set().union(*rows)
    assert {"val/mean_iu", "val/mean_iu_subset", "val/geo/mean_iu", "val/geo/iu/sky"} <= keys
    for kind in ("label", "prediction", "geo_label", "geo_prediction"):
        assert f"pictures/highway_d4/masks/{kind}/path" in keys


def test_background_is_a_trained_class_of_pascal_context(data: Path, tmp_path: Path) -> None:
    record = train(compose_run(overrides("pascal_context", data, tmp_path)))
    assert list(record.class_iu) == list(PASCAL_CONTEXT.classes)
    assert record.class_iu["background"] is not None


def test_one_head_of_several_is_trained_alone(data: Path, tmp_path: Path) -> None:
    own = overrides("siftflow", data, tmp_path, "data.heads=geo", "data.average_over=[]")
    record = train(compose_run(own))
    assert list(record.class_iu) == ["sky", "horizontal", "vertical"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["data.modalities=[color,depth]"], "The data has images of color, depth, but the network "
         "needs images of color, hha. Make `data.modalities` and `normalize` name the same."),
        (["data.modalities=hha"], "The data has single images, but the network needs images of "
         "color, hha. Make `data.modalities` and `normalize` name the same."),
        (["data.modalities=[color,flow]"], "`data.modalities` must name some of color, depth, hha; "
         "got 'flow'."),
    ],
)  # fmt: skip
def test_modalities_that_do_not_fit_are_refused(
    more: list[str], message: str, data: Path, tmp_path: Path
) -> None:
    run = compose_run(overrides("nyud_color_hha", data, tmp_path, *more))
    with pytest.raises(Exception, match="modalities") as error:
        train(run)
    assert message in str(error.value)
    assert not run.folder.exists()
