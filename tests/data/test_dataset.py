from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from PIL import Image
from torch.utils.data import default_collate

from fcn_lightning.data import sbd, voc
from fcn_lightning.data.dataset import Example, File, SegmentationDataset
from fcn_lightning.data.images import read_image
from fcn_lightning.labels import VOC

LABEL = np.array([[0, 1, 255], [20, 2, 0]], np.uint8)


@pytest.fixture
def example(tmp_path: Path) -> Example:
    """An image of 2 x 3 pixels, losslessly, with its label as a palette PNG."""
    Image.fromarray(np.arange(18, dtype=np.uint8).reshape(2, 3, 3)).save(tmp_path / "a.bmp")
    save_palette(tmp_path / "a.png", LABEL)
    image, label = File(tmp_path / "a.bmp", read_image), File(tmp_path / "a.png", voc.read_label)
    return Example("a", image, label)


def read(example):
    return SegmentationDataset([example], VOC)[0]


def test_a_sample_is_the_files_pixels(example):
    sample = read(example)
    assert sample["name"] == "a"
    assert sample["image"].dtype == sample["label"].dtype == torch.uint8
    assert default_collate([sample])["image"].is_contiguous()
    assert sample["image"][0].tolist() == [[0, 3, 6], [9, 12, 15]]
    assert sample["image"][:, 1, 2].tolist() == [15, 16, 17]
    assert sample["label"].tolist() == LABEL.tolist()


def test_a_class_of_a_whole_image_is_a_label_of_one_pixel(example):
    label = read(Example("a", example.image, 3))["label"]
    assert (label.tolist(), label.dtype) == ([[3]], torch.uint8)


def test_length_is_the_number_of_examples(example):
    assert len(SegmentationDataset([example] * 3, VOC)) == 3


def test_an_sbd_label_is_the_class_segmentation(example, tmp_path):
    other = {"Segmentation": LABEL, "Boundaries": 0, "CategoriesPresent": [1, 2, 20]}
    scipy.io.savemat(tmp_path / "a.mat", {"GTcls": other})
    assert (
        read(Example("a", example.image, File(tmp_path / "a.mat", sbd.read_label)))[
            "label"
        ].tolist()
        == LABEL.tolist()
    )


def test_a_label_of_another_size_is_refused(example):
    save_palette(example.label.path, np.zeros((3, 2), np.uint8))
    with pytest.raises(ValueError, match="size") as error:
        read(example)
    assert str(error.value) == (
        f"The label map {example.label.path} is 3 x 2, but its image is 2 x 3. They must have the "
        "same size."
    )


@pytest.mark.parametrize("value", [21, 254])
def test_a_label_that_is_no_class_is_refused(example, value):
    save_palette(example.label.path, np.array([[0, 255, 20], [0, value, 0]], np.uint8))
    with pytest.raises(ValueError, match="has the value") as error:
        read(example)
    assert str(error.value) == (
        f"The label map {example.label.path} has the value {value}. Use 0 to 20 for the 21 "
        "classes, and 255 for void."
    )


def test_an_rgb_label_is_refused(example):
    Image.new("RGB", (3, 2)).save(example.label.path)
    with pytest.raises(ValueError, match="label map") as error:
        read(example)
    assert str(error.value) == (
        f"Cannot read the label map {example.label.path}: expected a palette PNG, got an image of "
        "mode RGB."
    )


def test_a_mat_file_without_a_segmentation_is_refused(example, tmp_path):
    path = tmp_path / "a.mat"
    scipy.io.savemat(path, {"other": 1})
    with pytest.raises(ValueError, match="label map") as error:
        read(Example("a", example.image, File(path, sbd.read_label)))
    assert str(error.value) == f"Cannot read the label map {path}: it has no `GTcls`."


@pytest.mark.parametrize("kept", [0, 50, 180, 0.5, 0.95])
@pytest.mark.parametrize("compressed", [True, False])
def test_a_truncated_mat_file_is_refused(example, tmp_path, kept, compressed):
    path = tmp_path / "a.mat"
    content = {"GTcls": {"Segmentation": noise()}}
    scipy.io.savemat(path, content, do_compression=compressed)
    cut(path, kept)
    with pytest.raises(ValueError, match=r"^Cannot read the label map .*a\.mat: "):
        read(Example("a", example.image, File(path, sbd.read_label)))


@pytest.mark.parametrize("kept", [0, 20, 60, 0.5, 0.95])
def test_a_truncated_png_is_refused(example, kept):
    save_palette(example.label.path, noise())
    cut(example.label.path, kept)
    with pytest.raises(ValueError, match=r"^Cannot read the label map .*a\.png: "):
        read(example)


def test_a_corrupt_png_is_refused(example):
    content = bytearray(example.label.path.read_bytes())
    place = content.index(b"IDAT")
    content[place : place + 4] = b"\x00\x01\x02\x03"
    example.label.path.write_bytes(bytes(content))
    with pytest.raises(ValueError, match=r"^Cannot read the label map .*a\.png: "):
        read(example)


def test_a_missing_label_is_named(example):
    example.label.path.unlink()
    with pytest.raises(ValueError, match="label map") as error:
        read(example)
    assert str(example.label.path) in str(error.value)


def save_palette(path, label):
    picture = Image.fromarray(label)
    picture.putpalette(bytes(range(256)) * 3)
    picture.save(path)


def noise():
    return np.random.default_rng(0).integers(21, size=(64, 64), dtype=np.uint8)


def cut(path, kept):
    content = path.read_bytes()
    path.write_bytes(content[: round(kept * len(content)) if isinstance(kept, float) else kept])
