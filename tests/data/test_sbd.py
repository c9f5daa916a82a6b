import numpy as np
import pytest
import scipy.io

import trees
from fcn_lightning.data import sbd, voc_and_sbd


def read(root, **arguments):
    return voc_and_sbd("sbd", str(root), ["sbd/train"], "sbd/val", **arguments)


def test_samples_are_those_of_the_reference(tmp_path, rng, same):
    values = trees.sbd(tmp_path, rng)
    same(read(tmp_path), values, {"": "caffe"})


def test_a_structure_without_a_segmentation_is_refused(tmp_path, rng, damaged):
    trees.sbd(tmp_path, rng)
    path = tmp_path / "sbd" / "cls" / f"{trees.SBD_VAL[0]}.mat"
    trees.save_mat(path, {"GTcls": {"Boundaries": 0}})
    assert damaged(read(tmp_path).val) == (
        f"Cannot read the label map {path}: its `GTcls` has no `Segmentation`."
    )


@pytest.mark.parametrize("value", [-1, 21])
def test_a_value_that_is_no_class_is_refused(tmp_path, make_sbd, value):
    """-1 would be 255, void, in 8 bits."""
    folder = make_sbd(tmp_path / "sbd", "ab", val="a", train="b")
    path = folder / "cls" / "a.mat"
    content = scipy.io.loadmat(path)["GTcls"]["Segmentation"][0, 0]
    values = content.astype(np.int16)
    values[0, 1] = value
    scipy.io.savemat(path, {"GTcls": {"Segmentation": values}})
    with pytest.raises(ValueError, match="has the value") as error:
        read(tmp_path).val[0]
    assert str(error.value) == (
        f"The label map {path} has the value {value}. Use 0 to 20 for the 21 classes, and 255 for "
        "void."
    )


@pytest.mark.parametrize("place", ["sbd", "benchmark_RELEASE/dataset", "dataset", ""])
def test_sbd_is_found_where_archives_put_it(tmp_path, make_sbd, place):
    folder = make_sbd(tmp_path / place, "a", val="a")
    assert sbd.tree(tmp_path).root == folder
    assert sbd.tree(tmp_path).ids("val") == ["a"]


def test_a_missing_sbd_is_named_with_its_places(tmp_path):
    with pytest.raises(FileNotFoundError, match="SBD") as error:
        sbd.tree(tmp_path).require()
    places = (tmp_path / "sbd", tmp_path / "benchmark_RELEASE/dataset", tmp_path / "dataset")
    assert str(error.value) == (
        f"SBD is not in {', '.join(map(str, places))}, {tmp_path}: none of these has a folder img. "
        "Unpack benchmark.tgz there, set `data.root` or `data.sbd_root`, or download SBD with "
        "`data.download=true`."
    )


@pytest.mark.parametrize("exists", [True, False])
def test_download_of_a_missing_sbd(tmp_path, monkeypatch, make_sbd, exists):
    root, calls = tmp_path / "data", []
    if exists:
        root.mkdir()

    def download(folder, **arguments):
        calls.append((folder, arguments))
        make_sbd(root / "sbd", "a")

    monkeypatch.setattr("torchvision.datasets.SBDataset", download)
    for _ in range(2):
        assert sbd.tree(root, download=True).has("a")
    assert calls == [(str(root / "sbd"), {"mode": "segmentation", "download": True})]


def test_a_failed_download_names_the_address(tmp_path, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody listens
    with pytest.raises(ConnectionError) as failed:
        sbd.tree(tmp_path, download=True)
    assert str(failed.value) == (
        "SBD cannot be downloaded from https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/"
        "grouping/semantic_contours/benchmark.tgz ([Errno 111] Connection refused). Try again, or "
        "download the file in another way and unpack it there."
    )
