"""NYUDv2: color, depth and HHA of the reference's archive."""

import shutil

import numpy as np
import pytest
import scipy.io
from PIL import Image

import trees
from fcn_lightning.data import nyud
from fcn_lightning.data.tree import official

NORMALIZE = {"color": "nyud_color", "depth": "nyud_depth", "hha": "nyud_hha"}


@pytest.fixture
def root(tmp_path, rng):
    trees.nyud(tmp_path, rng)
    return tmp_path


def read(root, modalities=("color", "depth", "hha"), train=("nyud/train", "nyud/val"), **arguments):
    return nyud.read("nyud", str(root), list(train), "nyud/test", modalities, **arguments)


def size_of(path):
    with Image.open(path) as image:
        return image.size


@pytest.mark.parametrize("folder", ["", "nyud"])
def test_samples_are_those_of_the_reference(tmp_path, rng, same, folder):
    values = trees.nyud(tmp_path / folder, rng)
    same(read(tmp_path), values, NORMALIZE)


@pytest.mark.parametrize("modality", ["color", "depth", "hha"])
def test_a_single_modality_has_no_name(tmp_path, rng, same, modality):
    values = trees.nyud(tmp_path, rng)
    same(read(tmp_path, modality), values, {"": NORMALIZE[modality], "key": modality})


def test_a_modality_that_is_not_asked_for_may_be_missing(root):
    shutil.rmtree(root / "data" / "hha")
    assert set(read(root, ["color", "depth"]).val[0]["image"]) == {"color", "depth"}


def test_official_lists_have_their_counts():
    lists = {split: official(f"nyud_{split}") for split in ("train", "val", "test")}
    assert {split: len(set(ids)) for split, ids in lists.items()} == nyud.COUNTS
    assert len({*lists["train"], *lists["val"]}) == 795
    assert not {*lists["train"], *lists["val"]} & set(lists["test"])


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_official_lists_are_the_references(shared, split):
    path = shared / "lists" / "nyud" / f"{split}.txt"
    assert official(f"nyud_{split}") == path.read_text().split()


def test_the_trees_own_list_is_preferred_to_the_packages(root):
    lists = read(root).lists
    assert [record["count"] for record in lists["train"]] == [2, 1]
    (root / "test.txt").unlink()
    with pytest.raises(ValueError, match="lack files") as error:
        read(root)
    there = set(trees.NYUD["test"])
    first = next(name for name in official("nyud_test") if name not in there)
    place = root / "data" / "images" / f"img_{first}.png"
    assert str(error.value).startswith(
        f"651 of 654 images of nyud/test lack files in {root}: 651 color images (the first is "
        f"{place}), "
    )


def test_a_depth_of_zero_is_a_missing_one(root):
    path = root / "data" / "depth" / "img_5001.png"
    with Image.open(path) as image:
        depth = np.array(image)
    depth[0, 0] = 0
    Image.fromarray(depth).save(path)
    assert read(root, "depth").val[0]["image"][0, 0, 0] == 0


def test_a_missing_folder_is_named_with_the_archive(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        read(tmp_path)
    assert str(error.value) == (
        f"NYUDv2 is not in {tmp_path}, {tmp_path / 'nyud'}: none of these has a folder "
        "segmentation. Download nyud.tar.gz, unpack it and set `data.root` to its folder."
    )


def test_an_unknown_list_is_refused(root):
    with pytest.raises(ValueError, match="Unknown list") as error:
        read(root, train=["nyud/trainval"])
    assert str(error.value) == (
        f"Unknown list nyud/trainval: {root / 'trainval.txt'} does not exist. The folder has test, "
        "train, val."
    )


def test_an_empty_list_is_refused(root):
    (root / "val.txt").write_text("\n")
    with pytest.raises(
        ValueError, match=r"^The list nyud/val is empty\. Put one id on each line\.$"
    ):
        read(root)


@pytest.mark.parametrize("modalities", ["thermal", ["color", "thermal"]])
def test_an_unknown_modality_is_refused(root, modalities):
    with pytest.raises(ValueError, match="thermal") as error:
        read(root, modalities)
    assert str(error.value) == (
        "`data.modalities` must name some of color, depth, hha; got 'thermal'."
    )


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("data/images/img_5011.png", "color image"),
        ("data/depth/img_5011.png", "depth image"),
        ("data/hha/img_5011.png", "hha image"),
        ("segmentation/img_5011.mat", "label"),
    ],
)
def test_a_missing_file_is_named(root, path, what):
    (root / path).unlink()
    with pytest.raises(ValueError, match="lack files") as error:
        read(root)
    assert str(error.value) == (
        f"1 of 1 images of nyud/val lack files in {root}: 1 {what} (the first is {root / path}). "
        "Complete the folder, or choose other lists with `data.train` and `data.val`."
    )


@pytest.mark.parametrize("modality", ["depth", "hha"])
def test_an_image_of_another_size_is_refused(root, damaged, modality):
    path, color = (root / f"data/{folder}/img_5001.png" for folder in (modality, "images"))
    w, h = size_of(color)
    Image.new("RGB" if modality == "hha" else "I;16", (w + 1, h)).save(path)
    assert damaged(read(root).val) == (
        f"The image {path} is {h} x {w + 1}, but {color} is {h} x {w}. They must have the same "
        "size."
    )


def test_a_depth_with_colors_is_refused(root, damaged):
    path = root / "data" / "depth" / "img_5001.png"
    shutil.copy(root / "data" / "hha" / "img_5001.png", path)
    assert damaged(read(root).val) == (
        f"Cannot read the image {path}: expected a gray image of depths, got one of mode RGB."
    )


@pytest.mark.parametrize("folder", ["images", "depth", "hha"])
def test_a_text_file_is_no_image(root, damaged, folder):
    path = root / "data" / folder / "img_5001.png"
    path.write_text("<html>")
    assert damaged(read(root).val) == (
        f"Cannot read the image {path}: its format is unknown, or the file is damaged."
    )


@pytest.fixture
def spoil(root, damaged):
    """Writes the label map of an image to score, and returns what is said about it."""
    path = root / "segmentation" / "img_5001.mat"

    def spoil(content):
        if isinstance(content, dict):
            scipy.io.savemat(path, content)
        else:
            path.write_bytes(content(path.read_bytes()))
        said = damaged(read(root).val)
        assert "\n" not in said
        return said.replace(str(path), "PATH")

    return spoil


@pytest.mark.parametrize("value", [41, 255, 256, 65535])
def test_a_label_out_of_range_is_named_as_in_the_file(root, spoil, value):
    label = scipy.io.loadmat(root / "segmentation" / "img_5001.mat")["segmentation"]
    label[3, 4] = value
    assert spoil({"segmentation": label}) == (
        f"The label map PATH has the value {value}. Use 1 to 40 for the 40 classes, and 0 for void."
    )


def test_a_label_map_of_another_size_is_refused(root, spoil):
    w, h = size_of(root / "data" / "images" / "img_5001.png")
    assert spoil({"segmentation": np.ones((h, w - 1), np.uint16)}) == (
        f"The label map PATH is {h} x {w - 1}, but its image is {h} x {w}. They must have the same "
        "size."
    )


def test_a_file_without_its_variable_is_refused(spoil):
    assert spoil({"labels": np.ones((3, 3))}) == (
        "Cannot read the label map PATH: it has no `segmentation`."
    )


@pytest.mark.parametrize("wrong", [0.5, np.nan, np.inf])
def test_a_label_that_is_no_whole_number_is_refused(spoil, wrong):
    assert spoil({"segmentation": np.array([[1, wrong]])}) == (
        "Cannot read the label map PATH: `segmentation` is not a matrix of whole numbers."
    )


@pytest.mark.parametrize("value", ["a text", {"a": 1}, np.array([["x", 1]], object)])
def test_a_variable_that_is_no_matrix_is_refused(spoil, value):
    assert "`segmentation` is not a matrix of whole numbers" in spoil({"segmentation": value})


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.6, 0.95])
def test_a_truncated_file_is_refused(spoil, kept):
    said = spoil(lambda content: content[: int(kept * len(content))])
    assert said.startswith("Cannot read the label map PATH: it is damaged or no MATLAB file (")


def test_a_file_of_matlab_7_3_is_refused(spoil):
    header = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Mon Jan 1 00:00:00 2018 HDF5"
    said = spoil(lambda _: header.ljust(124) + b"\x00\x02IM" + bytes(400))
    assert said == (
        "Cannot read the label map PATH: it is a file of MATLAB 7.3; save it with `save -v7`."
    )
