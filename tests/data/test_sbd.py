import pytest

from fcn_lightning.data import sbd


@pytest.mark.parametrize("place", ["sbd", "benchmark_RELEASE/dataset", "dataset", ""])
def test_sbd_is_found_where_archives_put_it(tmp_path, make_sbd, place):
    folder = make_sbd(tmp_path / place, "a", val="a")
    assert sbd.tree(tmp_path).root == folder
    assert sbd.tree(tmp_path).ids("val") == ["a"]


def test_a_missing_sbd_is_named_with_its_places(tmp_path):
    with pytest.raises(FileNotFoundError, match="SBD") as error:
        sbd.tree(tmp_path)
    places = (tmp_path / "sbd", tmp_path / "benchmark_RELEASE/dataset", tmp_path / "dataset")
    assert str(error.value) == (
        f"SBD is not in {', '.join(map(str, places))}, {tmp_path}: none of these has a folder img. "
        "Set `data.root` or `data.sbd_root`, or download SBD with `data.download=true`."
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
