import pytest

import trees
from fcn_lightning.data import voc, voc_and_sbd


def test_samples_are_those_of_the_reference(tmp_path, rng, same):
    values = trees.voc(tmp_path, rng)
    same(voc_and_sbd("voc", str(tmp_path), ["voc/train"], "voc/val"), values, {"": "caffe"})


def test_of_a_common_image_vocs_label_is_read(tmp_path, rng, same):
    values = trees.sbd(tmp_path, rng) | trees.voc(tmp_path, rng)
    splits = voc_and_sbd("voc", str(tmp_path), ["sbd/train", "voc/train"], "voc/val")
    assert {e.name for e in splits.train.examples} == {*trees.SBD_TRAIN, *trees.VOC_TRAIN} - {
        *trees.VOC_VAL
    }
    same(splits, values, {"": "caffe"}, every=False)


def test_a_folder_with_images_alone_is_that_of_voc(tmp_path, make_voc):
    folder = make_voc(tmp_path / "VOCdevkit" / "VOC2011", "a")
    (tmp_path / "VOCdevkit" / "VOC2012" / "SegmentationClass").mkdir(parents=True)
    assert voc.tree(tmp_path).root == folder


@pytest.mark.parametrize(
    "place", ["", "VOC2012", "VOCdevkit/VOC2012", "TrainVal/VOCdevkit/VOC2011", "VOCdevkit/VOC2011"]
)
def test_voc_is_found_where_archives_put_it(tmp_path, make_voc, place):
    folder = make_voc(tmp_path / place, "a", val="a")
    assert voc.tree(tmp_path).root == folder


def test_voc_2012_is_preferred_to_2011(tmp_path, make_voc):
    make_voc(tmp_path / "VOCdevkit" / "VOC2011", "a")
    folder = make_voc(tmp_path / "TrainVal" / "VOCdevkit" / "VOC2012", "a")
    assert voc.tree(tmp_path).root == folder


def test_an_image_needs_a_label(tmp_path, make_voc):
    folder = make_voc(tmp_path, "ab", val="ab")
    (folder / "SegmentationClass" / "b.png").unlink()
    tree = voc.tree(tmp_path)
    assert tree.has("a")
    assert not tree.has("b")
    assert tree.has_image("b")
    assert not tree.has("e")
    assert not tree.has_image("e")


def test_a_missing_voc_is_named_with_its_places(tmp_path):
    with pytest.raises(FileNotFoundError, match="VOC") as error:
        voc.tree(tmp_path).require()
    message = str(error.value)
    assert message.startswith(f"VOC is not in {tmp_path}, {tmp_path / 'VOC2012'}, ")
    assert message.endswith(
        ": none of these has a folder JPEGImages. Unpack VOCtrainval_11-May-2012.tar there, set "
        "`data.root` or `data.voc_root`, or download VOC with `data.download=true`."
    )


@pytest.mark.parametrize("exists", [True, False])
def test_download_of_a_missing_voc(tmp_path, monkeypatch, make_voc, exists):
    root, calls = tmp_path / "data", []
    if exists:
        root.mkdir()

    def download(folder, **arguments):
        calls.append((folder, arguments))
        make_voc(root / "VOCdevkit" / "VOC2012", "a")

    monkeypatch.setattr("torchvision.datasets.VOCSegmentation", download)
    for _ in range(2):
        assert voc.tree(root, download=True).has("a")
    assert calls == [(str(root), {"year": "2012", "image_set": "train", "download": True})]
