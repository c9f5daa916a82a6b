"""Several processes do what one does: scores to the last digit, training to rounding.

Runs are the real command, in processes of their own over gloo, on a VOC tree of images of many
sizes. Two tests put faults in (spoiled.py), which must be seen.
"""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pytest
import torch
import yaml
from numpy import ndarray
from PIL import Image
from torch import Tensor, nn

import warm
from fcn_lightning.models import Network
from fcn_lightning.runs.run import compose_run
from integration.spoiled import average_over_pixels, pad_shards
from integration.watched import note_opened

Loss = Literal["sum", "mean"]

TRAIN_SIZES = ((40, 52), (52, 40), (33, 47), (40, 52), (61, 35), (33, 47), (24, 70))
VAL_SIZES = ((37, 53), (53, 37), (41, 41), (37, 53), (29, 64), (64, 29), (50, 31))
ALL_VOID, ALMOST_VOID = 3, 4
"""Training images that have no valid pixel, and a few."""

COMMON = (
    "experiment=voc", "data=voc_trees", "data.train=[voc/train]", "normalize=torchvision",
    "num_workers=0", "logger=csv", "head=fcn8s", "backbone.widths=[4,4,8,8,8]",
    "backbone.fc_widths=[16,16]", "backbone.padding=same", "backbone.dropout=0.0",
    "recipe.lr_factor=1", "recipe.weight_decay=0", "memory_format=channels_last",
)  # fmt: skip
STEPS = 10
RATE: dict[Loss, float] = {"mean": 1e-2, "sum": 5e-6}
SEED = 1337
NUM_CLASSES = 21
TREE = Path("VOCdevkit") / "VOC2012"


class Update(NamedTuple):
    """How a run learns: its loss, processes, images of an update, passes, and precision."""

    loss: Loss
    processes: int
    batch: int
    passes: int = 1
    precision: str = "64-true"

    @property
    def alone(self) -> Update:
        """The same in one pass of one process."""
        return self._replace(processes=1, passes=1)


def name_of(update: Update) -> str:
    """A test's: `mean-2x2-batch4` has two passes of each of two processes."""
    return f"{update.loss}-{update.processes}x{update.passes}-batch{update.batch}"


TOGETHER = [
    *(Update(loss, 2, *how) for loss in ("sum", "mean") for how in ((2, 1), (4, 2))),
    Update("mean", 3, 3),
]
FLOAT32 = Update("mean", 2, 4, 2, "32-true")


class Launch(NamedTuple):
    """A command's overrides, its processes, and what each of them does first."""

    overrides: list[str]
    processes: int
    first: Callable[[], None] | None = None


@pytest.fixture(scope="module")
def voc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A VOC tree of 7 + 7 images of blurred noise, with blocks of classes and void as labels."""
    root, rng = tmp_path_factory.mktemp("voc"), np.random.default_rng(7)
    tree = root / TREE
    lists = tree / "ImageSets" / "Segmentation"
    for folder in (tree / "JPEGImages", tree / "SegmentationClass", lists):
        folder.mkdir(parents=True)
    for split, sizes in (("train", TRAIN_SIZES), ("val", VAL_SIZES)):
        names = [f"{split}_{i}" for i in range(len(sizes))]
        (lists / f"{split}.txt").write_text("\n".join(names) + "\n")
        for i, (name, (h, w)) in enumerate(zip(names, sizes)):
            coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
            coarse.resize((w, h)).save(tree / "JPEGImages" / f"{name}.jpg", quality=95)
            label = np.kron(rng.integers(0, NUM_CLASSES, (9, 9)), np.ones((8, 8)))[:h, :w].astype(
                np.uint8
            )
            label[rng.random((h, w)) < 0.15 * i / len(sizes)] = 255
            if (split, i) in (("train", ALL_VOID), ("train", ALMOST_VOID)):
                label[: h if i == ALL_VOID else h - 2] = 255
            picture = Image.fromarray(label, mode="P")
            picture.putpalette(rng.integers(0, 256, 768, dtype=np.uint8).tobytes())
            picture.save(tree / "SegmentationClass" / f"{name}.png")
    return root


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights that predict several classes, none of them zero."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        net = untrained()
        for name, parameter in net.named_parameters():
            if name.startswith("head.score_"):
                nn.init.normal_(parameter, std=0.3)
            elif name.endswith(".bias"):
                nn.init.normal_(parameter, std=0.1)
    path = tmp_path_factory.mktemp("start") / "start.pth"
    torch.save({name: value.detach() for name, value in net.named_parameters()}, path)
    return path


@pytest.fixture(scope="module")
def scored(voc: Path, start: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """The same weights as scored by one, two and three processes, whose files are watched."""
    top = tmp_path_factory.mktemp("scored")
    launches = {
        top / str(n): Launch(scoring(n), n, partial(note_opened, top / f"opened_{n}"))
        for n in (1, 2, 3)
    }
    launch(launches, voc, start)
    return {n: only_run(top / str(n)) for n in (1, 2, 3)}


@pytest.fixture(scope="module")
def grouped(voc: Path, start: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same weights as scored by one process, five images at a time; two have one size."""
    runs = tmp_path_factory.mktemp("grouped") / "runs"
    own = ["val_batch=5", "callbacks.pictures.num_images=3"]
    launch({runs: Launch([*scoring(1), *own], 1)}, voc, start)
    return only_run(runs)


@pytest.fixture(scope="module")
def trained(voc: Path, start: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[Update, Path]:
    """Ten updates from the same weights in each of the ways; those alone are sweeps."""
    top = tmp_path_factory.mktemp("trained")
    launches = {
        top / str(i): Launch(training(update), update.processes)
        for i, update in enumerate([*TOGETHER, FLOAT32, FLOAT32.alone])
    }
    for loss in RATE:
        batches = sorted({update.batch for update in TOGETHER if update.loss == loss})
        sweep = f"recipe.batch={','.join(map(str, batches))}"
        alone = [*training(Update(loss, 1, max(batches))), "recipe.per_pass=null", sweep]
        launches[top / loss] = Launch(["-m", "hydra/launcher=basic", *alone], 1)
    launch(launches, voc, start)
    return {update_of(folder): folder for folder in top.glob("*/voc/*/seed*")}


@pytest.fixture(scope="module")
def spoiled(voc: Path, start: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Runs of two processes, and one of one, with a fault put in."""
    top = tmp_path_factory.mktemp("spoiled")
    two = Update("mean", 2, 2)
    launches = {
        top / "padded": Launch(scoring(2), 2, pad_shards),
        top / "two": Launch(training(two), 2, average_over_pixels),
        top / "one": Launch(training(two.alone), 1, average_over_pixels),
    }
    launch(launches, voc, start)
    return {path.name: only_run(path) for path in launches}


def untrained() -> Network:
    return compose_run([*COMMON, "data.root=null", "init_from=null"]).network(NUM_CLASSES)


def scoring(processes: int) -> list[str]:
    """An update that leaves all weights as they are, for their scores."""
    return [*on(processes), "recipe.max_steps=1", "recipe.batch=6", "recipe.lr=1e-30"]


def training(update: Update) -> list[str]:
    return [
        *on(update.processes), f"trainer.precision={update.precision}", "recipe.momentum=0.9",
        f"recipe.max_steps={STEPS}", "recipe.val_every=5", f"recipe.lr={RATE[update.loss]}",
        f"recipe.loss={update.loss}", f"recipe.batch={update.batch}",
        f"recipe.per_pass={update.batch // update.processes // update.passes}",
    ]  # fmt: skip


def on(processes: int) -> list[str]:
    return (
        ["trainer=cpu"] if processes == 1 else ["trainer=ddp_cpu", f"trainer.devices={processes}"]
    )


def launch(launches: Mapping[Path, Launch], voc: Path, start: Path) -> None:
    """Runs commands, each into a `paths.runs` of its own."""
    for runs, (overrides, processes, first) in launches.items():
        own = [*overrides, *COMMON, f"data.root={voc}", f"init_from={start}", f"paths.runs={runs}"]
        done = warm.run("train", *own, folder=runs.parent, ranks=processes, first=first)
        assert done.returncode == 0, done.stderr


def only_run(runs: Path) -> Path:
    (folder,) = runs.glob("voc/*/seed*")
    return folder


def update_of(folder: Path) -> Update:
    """How a run learned, by its config."""
    config = yaml.safe_load((folder / "config.yaml").read_text())
    recipe, trainer = config["recipe"], config["trainer"]
    share = recipe["batch"] // trainer["devices"]
    passes = share // (recipe["per_pass"] or share)
    return Update(recipe["loss"], trainer["devices"], recipe["batch"], passes, trainer["precision"])


def weights(folder: Path) -> dict[str, Tensor]:
    """What a run learned, by the network's names."""
    content = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    return {name.removeprefix("network."): value for name, value in content.items()}


def differences(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> dict[str, float]:
    """For each tensor the largest difference, relative to its largest value."""
    assert a.keys() == b.keys()
    return {
        name: float((value.double() - b[name].double()).abs().max() / value.abs().max())
        for name, value in a.items()
    }


def logged(folder: Path, name: str) -> list[tuple[int, float]]:
    """The steps and values of one name in metrics.csv."""
    with (folder / "metrics.csv").open(newline="") as file:
        return [(int(row["step"]), float(row[name])) for row in csv.DictReader(file) if row[name]]


def names_logged(folder: Path, stage: str) -> list[str]:
    """The names that metrics.csv has of a stage: five scores, and an IU for each class."""
    with (folder / "metrics.csv").open(newline="") as file:
        found = [name for name in next(csv.reader(file)) if name.startswith(f"{stage}/")]
    assert len(found) == 5 + NUM_CLASSES
    return found


def scores_logged(folder: Path, stage: str) -> dict[str, str]:
    """All that a stage logged, in one row, as it stands there."""
    names = names_logged(folder, stage)
    with (folder / "metrics.csv").open(newline="") as file:
        (row,) = (row for row in csv.DictReader(file) if row[names[0]])
    return {name: row[name] for name in names}


def read(folder: Path) -> tuple[dict[str, Any], dict[str, ndarray]]:
    """A run's scores.json, and its per_image.npz."""
    with np.load(folder / "per_image.npz") as arrays:
        return json.loads((folder / "scores.json").read_text()), dict(arrays)


def read_label(voc: Path, name: str) -> ndarray:
    return np.array(Image.open(voc / TREE / "SegmentationClass" / f"{name}.png"))


def loss_of_first_update(voc: Path, start: Path, update: Update) -> float:
    """The mean of the losses of an update's images, by NumPy; images in the reference's order.

    Source: shelhamer/fcn.berkeleyvision.org voc_layers.py, `random.randint(0, n - 1)` of Python 2.
    """
    net = untrained()
    net.load_state_dict(torch.load(start), strict=False)
    net.double().eval()
    draws, losses = random.Random(SEED), []
    for _ in range(update.batch):
        name = f"train_{int(draws.random() * len(TRAIN_SIZES))}"
        image, label = (
            np.array(Image.open(voc / TREE / "JPEGImages" / f"{name}.jpg")),
            read_label(voc, name),
        )
        with torch.no_grad():
            score = net(torch.from_numpy(image).permute(2, 0, 1)[None])[0].numpy()
        valid = label != 255
        chosen = np.take_along_axis(score, np.where(valid, label, 0)[None], 0)[0]
        pixel = (np.log(np.exp(score).sum(0)) - chosen)[valid]
        losses.append(pixel.sum() / (max(pixel.size, 1) if update.loss == "mean" else 1))
    return float(np.mean(losses))


@pytest.mark.parametrize("processes", [2, 3])
def test_scores_are_those_of_one_process_in_every_digit(
    scored: dict[int, Path], start: Path, processes: int
) -> None:
    for folder in (scored[1], scored[processes]):
        kept = weights(folder)
        assert all(torch.equal(kept[name], value) for name, value in torch.load(start).items())
    (one, alone), (several, shared) = read(scored[1]), read(scored[processes])
    assert several["num_processes"] == processes
    assert shared["names"].tolist() == alone["names"].tolist()
    np.testing.assert_array_equal(shared["confusion"], alone["confusion"])

    assert several["scores"].pop("loss") == pytest.approx(one["scores"].pop("loss"), rel=1e-12)
    for key in ("num_images", "scores", "class_iu", "best_val"):
        assert several[key] == one[key]
    for stage in ("val", "test"):
        assert scores_logged(scored[processes], stage) == scores_logged(scored[1], stage)


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_each_image_is_scored_once(voc: Path, scored: dict[int, Path], processes: int) -> None:
    record, images = read(scored[processes])
    assert images["names"].tolist() == [f"val_{i}" for i in range(len(VAL_SIZES))]
    for name, confusion in zip(images["names"], images["confusion"]):
        label = read_label(voc, name)
        counts = [int((label == c).sum()) for c in range(NUM_CLASSES)]
        assert confusion.sum(1).tolist() == counts
    total = images["confusion"].sum(0, dtype=float)
    assert (total.sum(0) > 0).sum() > 3, "the weights predict one class after another"
    with np.errstate(invalid="ignore"):
        iu = np.diag(total) / (total.sum(0) + total.sum(1) - np.diag(total))
    assert record["scores"]["mean_iu"] == pytest.approx(np.nanmean(iu), abs=1e-15)


def test_images_that_are_scored_together_have_the_scores_of_one_at_a_time(
    scored: dict[int, Path], grouped: Path
) -> None:
    (one, alone), (together, images) = read(scored[1]), read(grouped)
    assert grouped.parent.name != scored[1].parent.name, "another variant"
    assert images["names"].tolist() == alone["names"].tolist()
    np.testing.assert_array_equal(images["confusion"].sum(2), alone["confusion"].sum(2))
    assert np.abs(images["confusion"] - alone["confusion"]).sum() <= 4, "two pixels, by rounding"
    for name, value in one["scores"].items():
        assert together["scores"][name] == pytest.approx(value, rel=1e-3)
    pictures = {path.name for path in (grouped / "pictures").glob("*.image.png")}
    assert pictures == {f"val_{i}.image.png" for i in (0, 2, 4)}, "at equal distances"


@pytest.mark.parametrize("processes", [2, 3])
def test_one_process_writes_what_is_kept(scored: dict[int, Path], processes: int) -> None:
    folder = scored[processes]
    opened = (folder.parents[3] / f"opened_{processes}").read_text().splitlines()
    writers = [(rank, Path(path)) for rank, _, path in (line.partition(" ") for line in opened)]
    written = {path.relative_to(folder) for _, path in writers if path.is_relative_to(folder)}
    final = {
        path.with_name(path.name.removeprefix(".").removesuffix(".partial")) for path in written
    }
    kept = {path.with_suffix("").as_posix() for path in final if path.parts[0] != "pictures"}
    checkpoints = {"checkpoints/best", "checkpoints/last"}
    assert kept == checkpoints | {
        "config", "metrics", "network", "per_image", "scores", "train",
    }  # fmt: skip
    assert {rank for rank, path in writers if path.is_relative_to(folder)} == {"0"}
    assert len({rank for rank, _ in writers}) == processes, "all processes are watched"


@pytest.mark.parametrize("update", TOGETHER, ids=name_of)
def test_training_is_that_of_one_process(
    trained: dict[Update, Path], start: Path, update: Update
) -> None:
    one, several = weights(trained[update.alone]), weights(trained[update])
    assert {value.dtype for value in several.values()} == {torch.float64}
    began = torch.load(start)
    moved = differences(began, {name: one[name] for name in began})
    assert min(moved.values()) > 1e-3, "every layer has learned"
    assert max(differences(one, several).values()) < 1e-6


def test_training_is_that_of_one_process_in_float32(trained: dict[Update, Path]) -> None:
    one, several = weights(trained[FLOAT32.alone]), weights(trained[FLOAT32])
    assert {value.dtype for value in several.values()} == {torch.float32}
    assert max(differences(one, several).values()) < 1e-4


@pytest.mark.parametrize("update", TOGETHER, ids=name_of)
def test_what_is_logged_is_of_all_images(
    voc: Path, start: Path, trained: dict[Update, Path], update: Update
) -> None:
    one, several = trained[update.alone], trained[update]
    losses = logged(several, "train/loss")
    assert [step for step, _ in losses] == list(range(1, STEPS + 1))
    assert losses[0][1] == pytest.approx(loss_of_first_update(voc, start, update), rel=1e-9)
    assert dict(losses) == pytest.approx(dict(logged(one, "train/loss")), rel=1e-6)
    for name in names_logged(several, "val"):
        values = logged(several, name)
        assert [step for step, _ in values] == [STEPS // 2, STEPS]
        assert dict(values) == pytest.approx(dict(logged(one, name)), rel=1e-6, nan_ok=True)


def test_spoiled_by_padded_shards_the_scores_differ(
    scored: dict[int, Path], spoiled: dict[str, Path]
) -> None:
    (one, _), (padded, images) = read(scored[1]), read(spoiled["padded"])
    assert images["names"].tolist() == [f"val_{i}" for i in (*range(len(VAL_SIZES)), 0)]
    for name, value in one["scores"].items():
        assert padded["scores"][name] != pytest.approx(value, rel=1e-3)


def test_spoiled_by_averages_over_pixels_the_weights_differ(spoiled: dict[str, Path]) -> None:
    one, two = weights(spoiled["one"]), weights(spoiled["two"])
    assert all(torch.isfinite(value).all() for value in (*one.values(), *two.values()))
    assert max(differences(one, two).values()) > 1e-3
