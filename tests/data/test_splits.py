import hashlib
from collections import Counter

import pytest

from fcn_lightning.data import voc_and_sbd
from fcn_lightning.data.splits import describe
from fcn_lightning.data.tree import official
from fcn_lightning.data.voc import OFFICIAL
from fcn_lightning.labels import LabelSet


@pytest.fixture
def root(tmp_path, make_voc, make_sbd):
    """VOC: a, b (train), c, d (val). SBD: b, c, e (train), f (val); b and c are in both."""
    make_voc(tmp_path / "VOCdevkit" / "VOC2012", "abcd", train="ab", val="cd", empty="")
    make_sbd(tmp_path / "sbd", "bcef", train="ebc", val="f")
    return tmp_path


def splits_of(root, train=("voc/train", "sbd/train"), val="voc/val", **arguments):
    return voc_and_sbd("tiny", str(root), list(train), val, **arguments)


def names(dataset):
    return "".join(example.name for example in dataset.examples)


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("sbd_train", 8498),
        ("seg11valid", 736),
        ("train_aug", 10582),
        ("voc2012_train", 1464),
        ("voc2012_val", 1449),
        ("voc2012_trainval", 2913),
    ],
)
def test_official_lists_have_their_counts(name, count):
    ids = official(name)
    assert len(ids) == len(set(ids)) == count
    assert name in OFFICIAL


def test_sbd_train_holds_images_of_voc_val_but_none_of_seg11valid():
    sbd = set(official("sbd_train"))
    assert len(sbd & set(official("voc2012_val"))) == 545
    assert not sbd & set(official("seg11valid"))


def test_seg11valid_by_year():
    years = Counter(name.partition("_")[0] for name in official("seg11valid"))
    assert years == {"2007": 321, "2008": 104, "2009": 132, "2010": 101, "2011": 78}


def test_train_aug_and_val_share_nothing():
    assert not set(official("train_aug")) & set(official("voc2012_val"))
    assert set(official("voc2012_train")) < set(official("train_aug"))


def test_trainval_is_train_and_val():
    both = set(official("voc2012_train")) | set(official("voc2012_val"))
    assert set(official("voc2012_trainval")) == both


@pytest.mark.parametrize(
    ("ours", "theirs"), [(name, name) for name in OFFICIAL if name != "train_aug"]
    + [("train_aug", "voc2012_train_aug")],
)  # fmt: skip
def test_official_lists_are_the_shared_ones(shared, ours, theirs):
    path = shared / "data" / "official_lists" / f"{theirs}.txt"
    assert official(ours) == path.read_text().split()


def test_union_is_ordered_and_without_the_images_that_are_scored(root):
    splits = splits_of(root)
    assert names(splits.train) == "abe"
    assert names(splits.val) == "cd"
    assert (splits.lists["num_train"], splits.lists["num_left_out"]) == (3, 1)


def test_order_of_the_lists_is_that_of_the_union(root):
    assert names(splits_of(root, train=["sbd/train", "voc/train"]).train) == "eba"


@pytest.mark.parametrize("train", [("voc/train", "sbd/train"), ("sbd/train", "voc/train")])
def test_vocs_label_is_preferred_in_any_order(root, train):
    labels = {s["name"]: set(s["label"].unique().tolist()) for s in splits_of(root, train).train}
    assert labels == {"a": {1}, "b": {1}, "e": {2}}


def test_validation_on_sbd_takes_its_ids_out_of_voc(root):
    splits = splits_of(root, train=["voc/train"], val="sbd/train")
    assert names(splits.train) == "a"
    assert splits.lists["num_left_out"] == 1


def test_record_names_counts_and_hashes(root):
    lists = splits_of(root).lists
    assert lists["train"] == [
        {"list": "voc/train", "count": 2, "sha256": hashlib.sha256(b"a\nb").hexdigest()},
        {"list": "sbd/train", "count": 3, "sha256": hashlib.sha256(b"e\nb\nc").hexdigest()},
    ]
    assert lists["val"]["sha256"] == hashlib.sha256(b"c\nd").hexdigest()


def test_record_in_words(root):
    assert describe(splits_of(root).lists) == (
        "training on 3 images of voc/train (2) + sbd/train (3), leaving out 1 of voc/val; scoring "
        "on voc/val (2)"
    )


def test_splits_carry_what_tables_print(root):
    splits = splits_of(root, average_over=["cat", "dog"])
    assert (splits.name, splits.val_split, splits.average_over) == (
        "tiny",
        "voc/val",
        ("cat", "dog"),
    )


def test_an_official_list_is_read_from_the_data_set_that_has_its_images(root, monkeypatch):
    monkeypatch.setattr("fcn_lightning.data.splits.official", lambda _: list("eca"))
    splits = splits_of(root, train=["train_aug"], val="sbd/val")
    suffixes = {example.name: example.label.path.suffix for example in splits.train.examples}
    assert suffixes == {"e": ".mat", "c": ".png", "a": ".png"}


def test_images_of_an_official_list_must_be_on_disk(root):
    with pytest.raises(ValueError, match="lack files") as error:
        splits_of(root, train=["sbd_train"])
    assert str(error.value) == (
        f"8498 of 8498 images of sbd_train lack files in {root / 'sbd'}: 8498 images (the first "
        f"is {root / 'sbd/img/2008_000002.jpg'}), 8498 labels (the first is "
        f"{root / 'sbd/cls/2008_000002.mat'}). Complete the folder, or choose other lists with "
        "`data.train` and `data.val`."
    )


def test_an_image_without_its_label_is_missing(root):
    (root / "VOCdevkit/VOC2012/SegmentationClass/d.png").unlink()
    with pytest.raises(ValueError, match="lack files") as error:
        splits_of(root)
    assert str(error.value) == (
        f"1 of 2 images of voc/val lack files in {root / 'VOCdevkit/VOC2012'}: 1 label (the first "
        f"is {root / 'VOCdevkit/VOC2012/SegmentationClass/d.png'}). Complete the folder, or choose "
        "other lists with `data.train` and `data.val`."
    )


def test_both_folders_are_named_if_either_may_have_the_images(root):
    with pytest.raises(ValueError, match="lack files") as error:
        splits_of(root, train=["train_aug"])
    places = f"{root / 'VOCdevkit/VOC2012'} or {root / 'sbd'}"
    assert f"lack files in {places}: " in str(error.value)


def test_a_list_may_start_with_a_byte_order_mark(root):
    path = root / "VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt"
    path.write_text("\ufeffc\nd\n", encoding="utf-8")
    assert names(splits_of(root).val) == "cd"


@pytest.mark.parametrize("split", ["trian_aug", "coco/train", "train"])
def test_an_unknown_list_is_refused(root, split):
    with pytest.raises(ValueError, match="Unknown list") as error:
        splits_of(root, val=split)
    assert str(error.value) == (
        f"Unknown list '{split}'. Choose one of seg11valid, sbd_train, train_aug, voc2012_train, "
        "voc2012_val, voc2012_trainval, or a data set's own (voc/train, sbd/train, ...)."
    )


def test_an_unknown_list_of_a_data_set_is_refused_with_those_that_exist(root):
    with pytest.raises(ValueError, match="Unknown list") as error:
        splits_of(root, val="sbd/test")
    assert str(error.value) == (
        f"Unknown list sbd/test: {root / 'sbd' / 'test.txt'} does not exist. The folder has train, "
        "val."
    )


def test_an_empty_list_is_refused(root):
    with pytest.raises(
        ValueError, match=r"^The list voc/empty is empty\. Put one id on each line\.$"
    ):
        splits_of(root, train=["voc/train", "voc/empty"])


def test_nothing_left_to_train_on_is_refused(root):
    with pytest.raises(ValueError, match="voc/val") as error:
        splits_of(root, train=["voc/val"])
    assert str(error.value) == (
        "No training images are left: all images of voc/val are in voc/val, which is scored. To "
        "train on images that are scored, set `data.allow_overlap=true`."
    )


def test_an_unknown_class_is_refused(root):
    with pytest.raises(ValueError, match=r"^Unknown classes of voc: kitten\. Its classes are "):
        splits_of(root, average_over=["cat", "kitten"])


def test_labels_need_no_background(root):
    labels = LabelSet("letters", ("x", "y", "z"))
    assert splits_of(root, labels=labels).labels == labels


def test_separate_roots_override_the_common_one(root, tmp_path, make_voc, make_sbd):
    voc = make_voc(tmp_path / "elsewhere" / "VOC2012", "x", val="x")
    sbd = make_sbd(tmp_path / "far", "y", train="y")
    splits = splits_of(root, ["sbd/train"], voc_root=str(voc.parent), sbd_root=str(sbd))
    assert (names(splits.train), names(splits.val)) == ("y", "x")


def test_a_data_set_that_no_list_needs_may_be_missing(tmp_path, make_voc):
    make_voc(tmp_path / "VOC2012", "ab", train="a", val="b")
    assert names(splits_of(tmp_path, train=["voc/train"]).train) == "a"


def test_shared_data_is_read(shared):
    root = str(shared / "data")
    splits = voc_and_sbd("voc_trees", root, ["voc/train", "sbd/train"], "voc/val")
    assert splits.lists["val"]["count"] == len(splits.val) == 217
    assert [record["count"] for record in splits.lists["train"]] == [437, 600]
    for sample in (splits.train[0], splits.train[len(splits.train) - 1], splits.val[0]):
        assert sample["image"].shape[1:] == sample["label"].shape


def test_images_that_are_scored_are_trained_on_if_that_is_allowed(root):
    splits = voc_and_sbd("voc", str(root), ["voc/val"], "voc/val", allow_overlap=True)
    assert [e.name for e in splits.train.examples] == [e.name for e in splits.val.examples]
    assert (splits.lists["num_train"], splits.lists["num_left_out"]) == (len(splits.val), 0)


def test_ids_with_blanks_and_a_byte_order_mark(tmp_path, make_voc):
    folder = make_voc(tmp_path, ["a b", "c"], train=["c"])
    (folder / "ImageSets/Segmentation/val.txt").write_bytes(b"\xef\xbb\xbfa b\r\n")
    splits = voc_and_sbd("voc", str(tmp_path), ["voc/train"], "voc/val")
    assert [example.name for example in splits.val.examples] == ["a b"]
