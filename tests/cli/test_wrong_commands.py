"""What a wrong command gets: status 2, one sentence, and nothing written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from fcn_lightning.cli import fcn, train
from fcn_lightning.data import shapes
from fcn_lightning.labels import LabelSet

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
    assert command("recipe.lrr=1") == (
        "`recipe.lrr` must be a key of the configuration; it is none. Did you mean 'recipe.lr'?"
    )


def test_an_unknown_head(command: Command) -> None:
    assert command("head=fcn64s") == (
        "`head` must be one of classifier, fcn16s, fcn32s, fcn32s_fixed, fcn4s, fcn8s, "
        "fcn8s_at_once; got 'fcn64s'. Did you mean 'fcn4s'?"
    )


def test_a_value_of_the_wrong_kind(command: Command) -> None:
    assert command("recipe.lr=fast") == (
        "`recipe.lr`: Input should be a valid number, unable to parse string as a number; "
        "got 'fast'."
    )


def test_a_missing_data_root(command: Command) -> None:
    assert command("data=voc", "~data.root", "+data.root=???").startswith(
        "`data.root` must be given; add data.root=VALUE to the command."
    )


def test_a_data_root_without_data(command: Command, tmp_path: Path) -> None:
    message = command("data=voc", f"data.root={tmp_path}")
    assert message.startswith(
        f"The VOC tree, with a folder JPEGImages, must be in one of {tmp_path},"
    )
    assert message.endswith("or fetch it with data.download=true.")


def test_a_checkpoint_that_is_none(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "notes.ckpt"
    path.write_text("not weights")
    message = command(f"init_from={path}")
    assert message.startswith(f"{path} must be a checkpoint or a file of weights; it cannot be")


def test_weights_of_other_sizes(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"conv1_1.weight": torch.zeros(5, 3, 3, 3)}, path)
    assert command(f"init_from={path}").startswith(
        "`conv1_1.weight` must have the shape (16, 3, 3, 3); the weights have (5, 3, 3, 3)."
    )


def test_an_image_without_label(command: Command, data: Path) -> None:
    tree = data / "VOCdevkit" / "VOC2012"
    (tree / "SegmentationClass" / "scene_000001.png").unlink()
    assert command() == (
        f"Every id of voc/val must be on disk; 1 of 3 are not in {tree}, the first is "
        "scene_000001 (no label). Complete the tree, or choose lists of what is there by "
        "data.train and data.val."
    )


def test_a_label_of_another_size(command: Command, data: Path) -> None:
    path = data / "VOCdevkit" / "VOC2012" / "SegmentationClass" / "scene_000001.png"
    Image.new("P", (7, 5)).save(path)
    message = command(leaves=3)
    assert message.startswith(f"{path} must have the size of its image, ")
    assert message.endswith("; it has 5 x 7.")


def test_an_image_that_is_cut_off(command: Command, data: Path) -> None:
    path = data / "VOCdevkit" / "VOC2012" / "JPEGImages" / "scene_000001.jpg"
    path.write_bytes(path.read_bytes()[:800])
    assert command("num_workers=1", leaves=3).startswith(
        f"{path} must be a whole image; it cannot be read: "
    )


def test_an_id_of_an_official_list_that_is_not_on_disk(command: Command) -> None:
    message = command("data=voc", "data.train=[sbd/train]")
    assert message.startswith("Every id of seg11valid must be on disk; 736 of 736 are not in")
    assert "the first is 2007_000033 (no image)" in message


def test_no_classes(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "SHAPES", LabelSet("shapes", ()))
    assert command() == "A head must score at least one class; got 0."


def test_classes_that_are_none(command: Command) -> None:
    assert command("data.average_over=[hexagon]") == (
        "Classes must be some of shapes's (background, disk, square, triangle, star, cross, "
        "ring); got hexagon."
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_permission_to_write(command: Command, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir(mode=0o500)
    assert command().startswith(f"{tmp_path / 'runs'} must be a folder that can be written to")


def test_a_folder_that_cannot_be_written(command: Command, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert command(f"paths.runs={blocked}") == (
        f"{blocked} must be a folder that can be written to; it is not. Name another by paths.runs."
    )


def test_a_batch_that_the_processes_do_not_divide(command: Command) -> None:
    assert command("trainer=ddp_cpu", "recipe.batch=3") == (
        "`recipe.batch` (3) must divide over the 2 processes; use 1 or 3 of them, or a batch "
        "that is a multiple of 2."
    )


def test_fewer_images_to_score_than_processes(command: Command) -> None:
    assert command("trainer=ddp_cpu", "trainer.devices=4", "recipe.batch=4") == (
        "There must be at least one image to score for each process; voc/val has 3, for 4 "
        "processes. Use fewer of them by trainer.devices."
    )


def test_a_run_that_exists(command: Command, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "shapes" / "fcn32s-recipe.max_steps-1" / "seed0"
    folder.mkdir(parents=True)
    (folder / "scores.json").write_text("{}")
    assert command(leaves=1) == (
        f"{folder} must not be there yet; it is. Go on with it by resume=true, or make it again "
        "by overwrite=true."
    )


def test_a_stage_whose_stage_before_is_not_there(command: Command, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    assert command("head=fcn16s", "init_from=default") == (
        f"{runs / 'shapes' / 'fcn32s' / 'seed0'} must be a finished run, as the stage before this "
        "one; it is not. Make it with: fcn-train experiment=shapes head=fcn32s seed=0 "
        f"paths.runs={runs}"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", "nothing.ckpt"], "nothing.ckpt must be a checkpoint; there is no such file."),
        (["compare", "a", "b"], "a must be a finished run; it has no per_image.npz."),
        (["data", "check", "vocc"], "`data` must be one of nyud, pascal_context, shapes, siftflow, "
         "single_shapes, voc, voc2012, voc_aug, voc_trees; got 'vocc'. Did you mean 'voc'?"),
        (["data", "check", "nyud"], "`data` must be one that has a reader; nyud has none yet, so "
         "that its networks can be composed but neither trained nor scored."),
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
