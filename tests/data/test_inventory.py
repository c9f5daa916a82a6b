"""Files that are there and files that are missing, before anything is read."""

import shutil

import pytest

import trees
from fcn_lightning.data import pascal_context, voc, voc_and_sbd
from fcn_lightning.data.inventory import inventory_of, inventory_of_splits


@pytest.fixture
def root(tmp_path, rng):
    trees.voc(tmp_path, rng)
    trees.sbd(tmp_path, rng)
    return tmp_path


def take(root, train=("voc/train", "sbd/train"), val="voc/val"):
    return inventory_of(voc.sources(str(root), train, val), train, val)


def counts(inventory):
    return {f"{row.source} {row.kind}": (row.found, row.needed) for row in inventory.files}


def test_each_source_is_counted(root):
    inventory = take(root)
    assert counts(inventory) == {
        "voc image": (5, 5), "voc label": (5, 5), "sbd image": (3, 3), "sbd label": (3, 3),
    }  # fmt: skip
    assert not inventory.missing
    assert {row.name: (row.count, row.official) for row in inventory.lists} == {
        "voc/train": (2, 1112), "sbd/train": (3, 8498), "voc/val": (3, None),
    }  # fmt: skip
    assert inventory.official_num_train is None


@pytest.mark.parametrize(("folder", "title"), [("sbd", "SBD"), ("VOCdevkit", "VOC")])
def test_a_missing_source_is_told_once(root, folder, title):
    shutil.rmtree(root / folder)
    (missing,) = take(root).missing
    assert missing.startswith(f"{title} is not in {root}")


def test_images_that_no_tree_has_are_those_of_the_missing_tree(root):
    shutil.rmtree(root / "sbd")
    found = counts(take(root, ["train_aug"], "voc2012_val"))
    assert found["voc label"][0] > 0
    assert found["sbd label"][0] == 0
    assert found["voc label"][1] + found["sbd label"][1] == 10582 + 1449


def test_official_lists_of_the_package_have_no_path(root):
    (train, val) = take(root, ["sbd_train"], "seg11valid").lists
    assert (train.count, train.official, train.path) == (8498, 8498, None)
    assert (val.count, val.official, val.path) == (736, 736, None)


def test_the_total_of_one_trees_lists(root):
    assert take(root, ["sbd/train", "sbd/val"], "voc/val").official_num_train == 8498 + 2857
    assert take(root, ["voc/train"], "voc/val").official_num_train == 1112
    assert take(root, ["voc/train", "voc/val"]).official_num_train is None


def test_an_unknown_list_is_refused(root):
    with pytest.raises(ValueError, match="Unknown list 'coco/train'"):
        take(root, ["coco/train"])


def test_data_of_ones_own_is_counted_by_its_files(root):
    splits = voc_and_sbd("mine", str(root), ["voc/train", "sbd/train"], "voc/val")
    (root / "sbd" / "cls" / "2008_000002.mat").unlink()
    inventory = inventory_of_splits(splits)
    places = {(row.kind, row.folder.name): (row.found, row.needed) for row in inventory.files}
    assert places == {
        ("image", "JPEGImages"): (5, 5), ("label", "SegmentationClass"): (5, 5),
        ("image", "img"): (1, 1), ("label", "cls"): (0, 1),
    }  # fmt: skip
    assert inventory.missing == (f"{root / 'sbd/cls/2008_000002.mat'} is missing.",)


def test_how_to_get_what_is_missing_is_told_once_for_each_source(tmp_path, rng):
    trees.pascal_context(tmp_path, rng)
    paths = [
        tmp_path / "VOCdevkit/VOC2010/JPEGImages/2008_000002.jpg",
        tmp_path / "context/59_labels.txt",
        tmp_path / "context/trainval/2008_000008.mat",
    ]
    for path in paths:
        path.unlink()
    sources = pascal_context.sources(str(tmp_path))
    names, labels, images = inventory_of(sources, ["pascal_context/train"], "val").missing
    assert names == f"{paths[1]} is missing."
    assert labels.startswith(f"1 of 4 labels of pascal_context are missing in {paths[2].parent}; ")
    assert "trainval.tar.gz" in labels
    assert images.startswith(f"1 of 4 images of pascal_context are missing in {paths[0].parent}; ")
    assert "VOCtrainval_03-May-2010.tar" in images
    assert "trainval.tar.gz" not in images
