"""SIFT Flow: semantic and geometric labels."""

import numpy as np
import pytest
import scipy.io

import trees
from fcn_lightning.data import siftflow
from fcn_lightning.data.tree import official


@pytest.fixture
def root(tmp_path, rng):
    trees.siftflow(tmp_path, rng)
    return tmp_path


def read(root, heads=("sem", "geo"), **arguments):
    train, val = ["siftflow/trainval"], "siftflow/test"
    return siftflow.read("siftflow", str(root), train, val, heads, **arguments)


@pytest.mark.parametrize("folder", ["", "SiftFlowDataset", "siftflow"])
def test_samples_are_those_of_the_reference(tmp_path, rng, same, folder):
    values = trees.siftflow(tmp_path / folder, rng)
    same(read(tmp_path), values, {"": "siftflow"})


@pytest.mark.parametrize(("head", "classes"), [("sem", 33), ("geo", 3)])
def test_a_single_head_has_no_name(tmp_path, rng, head, classes):
    values = trees.siftflow(tmp_path, rng)
    splits = read(tmp_path, head)
    assert len(splits.labels) == classes
    for sample in splits.val:
        np.testing.assert_array_equal(
            sample["label"].numpy()[None], values[sample["name"]][f"label_{head}"]
        )


def test_official_lists_have_their_counts():
    lists = {split: official(f"siftflow_{split}") for split in ("trainval", "test")}
    assert {split: len(set(ids)) for split, ids in lists.items()} == {"trainval": 2486, "test": 200}
    assert not set(lists["trainval"]) & set(lists["test"])
    assert not siftflow.UNANNOTATED & {*lists["trainval"], *lists["test"]}


def test_unannotated_images_are_left_out_of_a_trees_own_list(root):
    path = root / "trainval.txt"
    path.write_text("\n".join([*trees.SIFTFLOW["trainval"], *sorted(siftflow.UNANNOTATED)]))
    splits = read(root)
    assert [example.name for example in splits.train.examples] == [*trees.SIFTFLOW["trainval"]]
    assert splits.lists["train"][0]["count"] == 3


def test_the_trees_own_list_is_preferred_to_the_packages(root):
    assert read(root).lists["val"]["count"] == 2
    (root / "test.txt").unlink()
    with pytest.raises(ValueError, match="lack files") as error:
        read(root)
    assert str(error.value).startswith("200 of 200 images of siftflow/test lack files in ")


def test_classes_that_are_averaged_over_are_semantic(root):
    assert read(root, average_over=["sky"]).average_over == ("sky",)
    with pytest.raises(ValueError, match="Unknown classes of siftflow: horizontal"):
        read(root, average_over=["horizontal"])


def test_a_missing_folder_is_named_with_the_archive(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        read(tmp_path)
    places = ", ".join(map(str, (tmp_path, tmp_path / "SiftFlowDataset", tmp_path / "siftflow")))
    assert str(error.value) == (
        f"SIFT Flow is not in {places}: none of these has a folder Images/{siftflow.INSIDE}. "
        "Download SiftFlowDataset.zip, unpack it and set `data.root` to its folder."
    )


@pytest.mark.parametrize("heads", ["depth", ["sem", "depth"]])
def test_an_unknown_head_is_refused(root, heads):
    with pytest.raises(ValueError, match="depth") as error:
        read(root, heads)
    assert str(error.value) == "`data.heads` must name some of sem, geo; got 'depth'."


@pytest.mark.parametrize(
    ("folder", "suffix", "what"),
    [
        ("Images", ".jpg", "image"),
        ("SemanticLabels", ".mat", "sem label"),
        ("GeoLabels", ".mat", "geo label"),
    ],
)
def test_a_missing_file_is_named(root, folder, suffix, what):
    path = root / folder / siftflow.INSIDE / f"highway_d4{suffix}"
    path.unlink()
    with pytest.raises(ValueError, match="lack files") as error:
        read(root)
    assert f"in {root}: 1 {what} (the first is {path}). Complete" in str(error.value)


@pytest.mark.parametrize(
    ("folder", "value", "expected"),
    [
        ("SemanticLabels", 34, "1 to 33 for the 33 classes, and 0 for void"),
        ("SemanticLabels", -1, "1 to 33 for the 33 classes, and 0 for void"),
        ("GeoLabels", 4, "1 to 3 for the 3 classes, and -1 for void"),
        ("GeoLabels", 255, "1 to 3 for the 3 classes, and -1 for void"),
    ],
)
def test_a_label_out_of_range_is_named_as_in_the_file(root, damaged, folder, value, expected):
    path = root / folder / siftflow.INSIDE / "highway_d4.mat"
    label = scipy.io.loadmat(path)["S"]
    label[5, 2] = value
    scipy.io.savemat(path, {"S": label})
    assert damaged(read(root).val) == f"The label map {path} has the value {value}. Use {expected}."


def test_a_geometric_label_of_zero_is_void_as_in_the_reference(root):
    path = root / "GeoLabels" / siftflow.INSIDE / "highway_d4.mat"
    label = scipy.io.loadmat(path)["S"]
    label[5, 2] = 0
    scipy.io.savemat(path, {"S": label})
    assert read(root).val[0]["label"]["geo"][5, 2] == 255


def test_one_head_of_another_size_is_refused(root, damaged):
    path = root / "GeoLabels" / siftflow.INSIDE / "highway_d4.mat"
    scipy.io.savemat(path, {"S": np.ones((4, 5))})
    assert damaged(read(root).val).startswith(f"The label map {path} is 4 x 5, but its image is ")
