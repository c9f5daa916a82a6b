from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.io

from fcn_lightning.data import shapes_siftflow
from fcn_lightning.labels import LabelSet

INSIDE = "spatial_envelope_256x256_static_8outdoorcategories"
GROUND, ROUND, ANGULAR = 0, 1, 2
GEOMETRY = [GROUND, ROUND, ANGULAR, ANGULAR, ANGULAR, ANGULAR, ROUND]
"""Of background, disk, square, triangle, star, cross and ring."""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(shapes_siftflow, "COUNTS", {"trainval": 4, "test": 6})
    return tmp_path / "shapes_siftflow"


def read(root: Path, heads: object = ("sem", "geo")) -> object:
    return shapes_siftflow.read(
        "shapes_siftflow", str(root), ["siftflow/trainval"], "siftflow/test", heads
    )


def test_the_layout_is_that_of_the_official_archive(root: Path) -> None:
    read(root)
    train, test = ((root / f"{s}.txt").read_text().split() for s in ("trainval", "test"))
    assert (len(train), len(test), len({*train, *test})) == (4, 6, 10)
    for folder, ending in (("Images", "jpg"), ("SemanticLabels", "mat"), ("GeoLabels", "mat")):
        files = {p.name for p in (root / folder / INSIDE).iterdir()}
        assert files == {f"{name}.{ending}" for name in [*train, *test]}


def test_void_is_0_in_the_semantic_and_minus_1_in_the_geometric_files(root: Path) -> None:
    read(root)
    for path in (root / "SemanticLabels" / INSIDE).iterdir():
        sem = scipy.io.loadmat(path)["S"].astype(int)
        geo = scipy.io.loadmat(root / "GeoLabels" / INSIDE / path.name)["S"].astype(int)
        assert set(np.unique(sem)) <= set(range(8))
        assert set(np.unique(geo)) <= {-1, 1, 2, 3}
        assert 0 in sem
        assert np.array_equal(sem == 0, geo == -1)
        assert np.array_equal(geo, np.array([-1, 1, 2, 3, 3, 3, 3, 2])[sem])


def test_the_heads_agree_pixel_by_pixel(root: Path) -> None:
    splits = read(root)
    assert splits.labels["geo"].classes == ("ground", "round", "angular")
    for sample in splits.val:
        sem, geo = (sample["label"][head].numpy() for head in ("sem", "geo"))
        seen = sem != 255
        assert np.array_equal(geo[seen], np.array(GEOMETRY)[sem[seen]])
        assert (geo[~seen] == 255).all()


def test_one_head_has_a_single_label_map(root: Path) -> None:
    both, one = read(root), read(root, "sem")
    assert isinstance(one.labels, LabelSet)
    assert one.labels.classes == both.labels["sem"].classes
    assert np.array_equal(one.val[3]["label"], both.val[3]["label"]["sem"])


def test_the_ground_covers_about_two_thirds_and_round_shapes_less_than_angular(root: Path) -> None:
    geo = np.concatenate([sample["label"]["geo"].ravel() for sample in read(root).val])
    ground, rounded, angular = (np.mean(geo[geo != 255] == k) for k in range(3))
    assert 0.4 < ground < 0.9
    assert rounded + angular == pytest.approx(1 - ground)


def test_the_same_seed_draws_the_same_set(root: Path, tmp_path: Path) -> None:
    first, again = read(root), read(tmp_path / "again")
    for a, b in zip(first.train, again.train, strict=True):
        assert np.array_equal(a["image"], b["image"])
        assert np.array_equal(a["label"]["geo"], b["label"]["geo"])
