"""What a wrong command gets: status 2, one sentence, and nothing written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image

from fcn_lightning.cli import fcn, train
from fcn_lightning.data import shapes
from fcn_lightning.labels import LabelSet
from fcn_lightning.runs.run import compose_run

Command = Callable[..., str]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("drawn") / "shapes"
    with pytest.MonkeyPatch.context() as patch:
        for name in ("TRAIN", "VAL", "SHARED", "SINGLE_TRAIN", "SINGLE_VAL"):
            patch.setattr(shapes, f"NUM_{name}", 3)
        shapes.draw(root)
    return root


@pytest.fixture
def data(drawn: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(drawn, tmp_path / "shapes"))


@pytest.fixture
def command(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Runs fcn-train with these overrides and returns its one sentence."""
    common = [
        "experiment=shapes", f"data.root={data}", f"paths.runs={tmp_path / 'runs'}", "logger=csv",
        "trainer=cpu", "num_workers=0", "init_from=null", "recipe.max_steps=1",
    ]  # fmt: skip

    def sentence(*own: str, leaves: int = 0) -> str:
        monkeypatch.setattr("sys.argv", ["fcn-train", *common, *own])
        with pytest.raises(SystemExit) as stopped:
            train.main()
        assert stopped.value.code == 2
        assert len(list((tmp_path / "runs").glob("*/*/*/*"))) == leaves
        lines = capsys.readouterr().err.strip().splitlines()
        return lines[-1]

    return sentence


def test_a_misspelt_key(command: Command) -> None:
    assert command("recipe.lrr=1") == ("Unknown key `recipe.lrr`. Did you mean `recipe.lr`?")


def test_an_unknown_head(command: Command) -> None:
    assert command("head=fcn64s") == (
        "Unknown choice `head=fcn64s`. Choose from classifier, fcn16s, fcn32s, fcn32s_fixed, "
        "fcn32s_low_rate, "
        "fcn4s, fcn8s, fcn8s_at_once, pool3, pool4, pool5. Did you mean `fcn4s`?"
    )


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.batch_size=4", "Unknown key `data.batch_size`. Use `recipe.batch`, the images of "
         "one step over all processes."),
        ("model.lr=1", "Unknown key `model`. Use `backbone` and `head`."),
        ("+model.lr=1", "Unknown key `model.lr`. Use `recipe.lr`."),
        ("learning_rate=1", "Unknown key `learning_rate`. Use `recipe.lr`."),
        ("trainer.max_epochs=1", "`trainer.max_epochs` is -1 in every run; got 1. Training is "
         "counted in steps: set `recipe.max_steps`."),
        ("hydra.run.dir=x", "`hydra.run.dir` cannot be set: a run's folder follows from its "
         "configuration; set paths.runs=DIR."),
        ("hydra.job.chdir=true", "`hydra.job.chdir` cannot be set: paths are relative to the "
         "folder where the command is given."),
        ("recipe.fixed=[a", "Cannot parse the override `recipe.fixed=[a`. Quote a value with "
         "special characters, for the shell too: \"recipe.fixed='[a'\""),
        ("shapes", "`shapes` is not an override. Write key=VALUE; --help lists the options."),
        ("debug=true", "`debug=true` is not a choice of a group. Name a file of the group, or "
         "leave it out. Full tracebacks are traceback=true."),
        ("hparams_search=optunna", "Unknown choice `hparams_search=optunna`. Choose from optuna. "
         "Did you mean `optuna`?"),
        ("resume=true", "Nothing to resume: {folder} does not exist. Leave out resume=true."),
        ("trainer=gpu", "`trainer` asks for a GPU; torch sees none. Use trainer=cpu."),
    ],
)  # fmt: skip
def test_what_users_of_other_frameworks_type(
    override: str, message: str, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    folder = tmp_path / "runs" / "shapes" / "fcn32s-init_from-null-max_steps-1" / "seed0"
    assert command(override) == message.format(folder=folder)


def test_resuming_with_another_configuration(command: Command, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "shapes" / "fcn32s-init_from-null-max_steps-1" / "seed0"
    folder.mkdir(parents=True)
    run = compose_run(
        ["experiment=shapes", "init_from=null", "recipe.max_steps=3", "logger=csv", "trainer=cpu"]
    )
    OmegaConf.save(run.config, folder / "config.yaml", resolve=True)
    assert command("resume=true", leaves=1) == (
        f"{folder} was started with another configuration: recipe.max_steps is 1, not 3. "
        "Resume it with its own, or replace it with overwrite=true. "
        f"To train it longer, start a new run with ckpt_path={folder} and a larger "
        "recipe.max_steps."
    )


def test_a_value_of_the_wrong_kind(command: Command) -> None:
    assert command("recipe.lr=fast") == (
        "`recipe.lr`: Input should be a valid number, unable to parse string as a number; "
        "got 'fast'."
    )


def test_a_missing_data_root(command: Command) -> None:
    assert command("data=voc", "~data.root", "+data.root=???").startswith(
        "`data.root` is not set. Add data.root=VALUE to the command."
    )


def test_a_data_root_without_data(command: Command, tmp_path: Path) -> None:
    message = command("data=voc", f"data.root={tmp_path}")
    assert message.startswith(f"VOC is not in {tmp_path}, ")
    assert message.endswith("or download VOC with `data.download=true`.")


def test_a_checkpoint_that_is_none(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "notes.ckpt"
    path.write_text("not weights")
    message = command(f"init_from={path}")
    assert message.startswith(f"{path} is not a readable checkpoint or weight file: it is")


def test_weights_of_other_sizes(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"conv1_1.weight": torch.zeros(5, 3, 3, 3)}, path)
    assert command(f"init_from={path}").startswith(
        "`conv1_1.weight` must have the shape (8, 3, 3, 3); the weights have (5, 3, 3, 3)."
    )


def test_an_image_without_label(command: Command, data: Path) -> None:
    tree = data / "VOCdevkit" / "VOC2012"
    (tree / "SegmentationClass" / "scene_000001.png").unlink()
    assert command() == (
        f"1 of 3 images of voc/val lack files in {tree}: 1 label (the first is "
        f"{tree}/SegmentationClass/scene_000001.png). Complete the folder, or choose other lists "
        "with `data.train` and `data.val`."
    )


def test_a_label_of_another_size(command: Command, data: Path) -> None:
    path = data / "VOCdevkit" / "VOC2012" / "SegmentationClass" / "scene_000001.png"
    Image.new("P", (7, 5)).save(path)
    message = command(leaves=4)
    assert message.startswith(f"The label map {path} is 5 x 7, but its image is ")


def test_an_image_that_is_cut_off(command: Command, data: Path) -> None:
    path = data / "VOCdevkit" / "VOC2012" / "JPEGImages" / "scene_000001.jpg"
    path.write_bytes(path.read_bytes()[:800])
    assert command("num_workers=1", leaves=4).startswith(f"Cannot read the image {path}: ")


def test_an_id_of_an_official_list_that_is_not_on_disk(command: Command) -> None:
    message = command("data=voc", "data.train=[sbd/train]")
    assert message.startswith("736 of 736 images of seg11valid lack files in ")
    assert "736 images (the first is " in message


def test_no_classes(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "SHAPES", LabelSet("shapes", ()))
    assert command() == "A head must score at least one class; got 0."


def test_classes_that_are_none(command: Command) -> None:
    assert command("data.average_over=[hexagon]") == (
        "Unknown classes of shapes: hexagon. Its classes are background, disk, square, triangle, "
        "star, cross, ring."
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_permission_to_write(command: Command, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir(mode=0o500)
    assert command().startswith(f"{tmp_path / 'runs'} is not a writable folder.")


def test_a_folder_that_cannot_be_written(command: Command, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert command(f"paths.runs={blocked}") == (
        f"{blocked} is not a writable folder. Choose another with paths.runs=DIR."
    )


def test_a_batch_that_the_processes_do_not_divide(command: Command) -> None:
    assert command("trainer=ddp_cpu", "recipe.batch=3") == (
        "`recipe.batch` (3) must be divisible by the number of processes (2). Use a multiple of 2, "
        "or a number of processes that divides the batch (1 or 3)."
    )


def test_fewer_images_to_score_than_processes(command: Command) -> None:
    assert command("trainer=ddp_cpu", "trainer.devices=4", "recipe.batch=4") == (
        "voc/val has 3 images to score, fewer than the 4 processes. Use fewer processes with "
        "trainer.devices."
    )


def test_a_run_that_exists(command: Command, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "shapes" / "fcn32s-init_from-null-max_steps-1" / "seed0"
    folder.mkdir(parents=True)
    (folder / "scores.json").write_text("{}")
    assert command(leaves=1) == (
        f"{folder} already exists. Resume it with resume=true or replace it with overwrite=true."
    )


def test_a_stage_whose_stage_before_is_not_there(command: Command, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    assert command("head=fcn16s", "init_from=default") == (
        f"{runs / 'shapes' / 'fcn32s' / 'seed0'}, the stage before this one, does not exist. Train "
        f"it first: fcn-train experiment=shapes head=fcn32s seed=0 paths.runs={runs}"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", "nothing.ckpt"], "Checkpoint not found: nothing.ckpt."),
        (["compare", "a", "b"], "a is not a finished run: it has no per_image.npz."),
        (["data", "check", "vocc"], "Unknown choice `data=vocc`. Choose from ade20k, "
         "cityscapes, folder, nyud, pascal_context, shapes, shapes_context, shapes_nyud, "
         "shapes_siftflow, siftflow, single_shapes, voc, voc2012, voc_aug, voc_trees. Did "
         "you mean `voc`?"),
        (["data", "check", "nyud"], "The place of nyud is not known. Add --data-root DIR."),
    ],
)  # fmt: skip
def test_other_commands(
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.argv", ["fcn", *arguments])
    with pytest.raises(SystemExit) as stopped:
        fcn.main()
    assert stopped.value.code == 2
    assert capsys.readouterr().err.strip() == message
