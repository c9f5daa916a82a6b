"""PASCAL-Context: the 59 classes among the 459 of the annotation."""

import numpy as np
import pytest
import scipy.io

import trees
from fcn_lightning.data import pascal_context
from fcn_lightning.labels import PASCAL_CONTEXT, LabelSet


@pytest.fixture
def root(tmp_path, rng):
    trees.pascal_context(tmp_path, rng)
    return tmp_path


def read(root, train=("pascal_context/train",), **arguments):
    val = "pascal_context/val"
    return pascal_context.read("pascal_context", str(root), list(train), val, **arguments)


def label_of(root, values):
    """The label map that is read of these labels of the annotation."""
    splits = read(root)
    example = splits.val.examples[0]
    scipy.io.savemat(example.label.path, {"LabelMap": np.array([values], np.uint16)})
    return example.label.read(example.label.path)[0].tolist()


def test_samples_are_those_of_the_reference(tmp_path, rng, same):
    values = trees.pascal_context(tmp_path, rng)
    same(read(tmp_path), values, {"": "pascal_context"})


def test_classes_are_those_of_the_package(root):
    labels = read(root).labels
    assert labels.classes == PASCAL_CONTEXT.classes
    assert len(labels) == 60


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("table", "diningtable"), ("bedclothes", "bedcloth"), ("cloth", "clothes"), ("cat", "cat")],
)
def test_classes_of_other_names_in_the_annotation(root, theirs, ours):
    names = pascal_context.names_in(root / "context" / "labels.txt")
    label = label_of(root, [names.index(theirs) + 1])
    assert label == [PASCAL_CONTEXT.classes.index(ours)]


def test_everything_else_is_background(root):
    names = pascal_context.names_in(root / "context" / "labels.txt")
    assert (
        label_of(root, [0, names.index("accordion") + 1, names.index("air conditioner") + 1])
        == [0] * 3
    )


def test_classes_of_ones_own(root, tmp_path):
    path = tmp_path / "classes.txt"
    path.write_text("1: sky\n2: air conditioner\n3: table\n")
    splits = read(root, classes=str(path))
    assert splits.labels.classes == ("background", "sky", "air conditioner", "table")
    names = pascal_context.names_in(root / "context" / "labels.txt")
    for sample in splits.val:
        file = root / "context" / "trainval" / f"{sample['name']}.mat"
        written = scipy.io.loadmat(file)["LabelMap"]
        expected = np.zeros_like(written)
        for index, name in enumerate(splits.labels.classes[1:], start=1):
            expected[written == names.index(name) + 1] = index
        np.testing.assert_array_equal(sample["label"].numpy(), expected)


def test_names_without_numbers_and_with_a_background(root, tmp_path):
    path = tmp_path / "classes.txt"
    path.write_text("background\nsky\ngrass\n")
    assert read(root, classes=str(path)).labels == LabelSet(
        "pascal_context", ("background", "sky", "grass")
    )


def test_a_class_that_the_annotation_lacks_is_refused(root, tmp_path):
    path = tmp_path / "classes.txt"
    path.write_text("sky\nsofa cushion of mine\n")
    with pytest.raises(ValueError, match="cushion") as error:
        read(root, classes=str(path))
    assert str(error.value) == (
        "labels.txt of PASCAL-Context has no class 'sofa cushion of mine'. Choose among its names."
    )


def test_a_missing_file_of_classes_is_named(root):
    with pytest.raises(FileNotFoundError) as error:
        read(root, classes="mine.txt")
    assert str(error.value) == "`data.classes` must be a file with names; mine.txt is none."


def test_a_list_is_read_from_vocs_folder(root):
    with pytest.raises(ValueError, match="Unknown list") as error:
        read(root, train=["pascal_context/trainval"])
    place = root / "VOCdevkit" / "VOC2010" / "ImageSets" / "Main" / "trainval.txt"
    assert str(error.value) == (
        f"Unknown list pascal_context/trainval: {place} does not exist. The folder has train, val."
    )


def test_missing_images_are_named_with_their_archive(root):
    (root / "VOCdevkit").rename(root / "elsewhere")
    with pytest.raises(FileNotFoundError) as error:
        read(root)
    assert str(error.value) == (
        f"VOC 2010 is not in {root / 'VOCdevkit' / 'VOC2010'}, {root / 'VOC2010'}, {root}: none of "
        "these has a folder JPEGImages. Download VOCtrainval_03-May-2010.tar, unpack it and set "
        "`data.root` to the folder in which it lies."
    )


def test_a_missing_annotation_is_named_with_its_files(root):
    (root / "context").rename(root / "elsewhere")
    with pytest.raises(FileNotFoundError) as error:
        read(root)
    assert str(error.value) == (
        f"PASCAL-Context is not in {root / 'context'}, {root}: none of these has a folder "
        "trainval. Download trainval.tar.gz, labels.txt and 59_labels.txt of PASCAL-Context, "
        "unpack it and set `data.root` to the folder in which it lies."
    )


@pytest.mark.parametrize("name", ["labels.txt", "59_labels.txt"])
def test_a_missing_file_of_names_is_named(root, name):
    path = root / "context" / name
    path.unlink()
    with pytest.raises(FileNotFoundError) as error:
        read(root)
    assert str(error.value).startswith(f"{path} is missing. Download trainval.tar.gz, ")


def test_a_label_out_of_range_is_named_as_in_the_file(root, damaged):
    splits = read(root)
    path = splits.val.examples[1].label.path
    label = scipy.io.loadmat(path)["LabelMap"]
    label[7, 2] = 460
    scipy.io.savemat(path, {"LabelMap": label})
    assert damaged(splits.val) == (
        f"The label map {path} has the value 460. labels.txt names the labels 1 to 459."
    )
