from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image

from fcn_lightning.data import nyud, shapes_nyud

CLASSES = ("background", "disk", "square", "triangle", "star", "cross", "ring")
LISTS = ["nyud/train", "nyud/val"]


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes_nyud, "COUNTS", {"train": 3, "val": 2, "test": 2})


def test_the_layout_is_that_of_the_official_archive(tmp_path: Path) -> None:
    root = tmp_path / "shapes_nyud"
    shapes_nyud.read("shapes_nyud", str(root), LISTS, "nyud/test")
    lists = {split: (root / f"{split}.txt").read_text().split() for split in shapes_nyud.COUNTS}
    ids = [name for names in lists.values() for name in names]
    assert [len(names) for names in lists.values()] == [3, 2, 2]
    assert len(set(ids)) == 7
    for folder, ending in (("data/images", "png"), ("data/depth", "png"), ("segmentation", "mat")):
        assert {p.name for p in (root / folder).iterdir()} == {f"img_{i}.{ending}" for i in ids}
    with Image.open(root / "data" / "depth" / f"img_{ids[0]}.png") as depth:
        assert depth.mode == "I;16"
    segmentation = scipy.io.loadmat(root / "segmentation" / f"img_{ids[0]}.mat")["segmentation"]
    assert set(np.unique(segmentation)) <= set(range(8)), "0 for void, 1 to 7 for the classes"
    assert {0, 1} < set(np.unique(segmentation))


def test_nyuds_reader_reads_both_modalities(tmp_path: Path) -> None:
    root = tmp_path / "shapes_nyud"
    drawn = shapes_nyud.read("shapes_nyud", str(root), LISTS, "nyud/test", ["color", "depth"])
    splits = nyud.read(
        "nyud", str(root), LISTS, "nyud/test", ["color", "depth"], labels=drawn.labels
    )
    assert (len(splits.train), len(splits.val)) == (5, 2)
    assert drawn.labels.classes == CLASSES
    for ours, theirs in zip(drawn.val, splits.val, strict=True):
        color, depth = ours["image"]["color"], ours["image"]["depth"]
        assert (len(color), len(depth)) == (3, 1)
        assert color.shape[1:] == depth.shape[1:] == ours["label"].shape
        assert np.array_equal(ours["label"], theirs["label"])
        assert 255 in ours["label"]


def flat() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A wall of one color at 3 m, and a square on it."""
    mask = np.zeros((40, 50), bool)
    mask[10:30, 15:35] = True
    return np.full((40, 50, 3), 128.0), np.full((40, 50), 3000.0), mask


@pytest.mark.parametrize(
    ("kind", "in_color", "in_depth"),
    [("plain", True, True), ("camouflaged", False, True), ("sticker", True, False)],
)
def test_a_shape_differs_from_what_it_covers_in_color_or_in_depth(
    kind: str, in_color: bool, in_depth: bool
) -> None:
    image, depth, mask = flat()
    shapes_nyud.add(np.random.default_rng(0), image, depth, mask, kind)
    assert (np.abs(image[mask].mean(0) - 128).max() >= 70) == in_color
    assert (depth[mask].max() < 0.9 * 3000) == in_depth
    assert np.array_equal(image[~mask], flat()[0][~mask])
    assert np.array_equal(depth[~mask], flat()[1][~mask])
    if not in_color:
        assert np.array_equal(image, flat()[0])
    if not in_depth:
        assert np.array_equal(depth, flat()[1])


def test_a_board_lies_before_all_that_it_covers() -> None:
    image, depth, mask = flat()
    depth[:20] = 1500.0
    shapes_nyud.add(np.random.default_rng(0), image, depth, mask, "plain")
    assert len(np.unique(depth[mask])) == 1
    assert depth[mask].max() < 1500


def test_shapes_that_cover_others_are_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    added: list[tuple[np.ndarray, str]] = []
    monkeypatch.setattr(
        shapes_nyud, "add", lambda rng, image, depth, mask, kind: added.append((mask, kind))
    )
    first = []
    for seed in range(40):
        added.clear()
        shapes_nyud.scene(np.random.default_rng(seed))
        covered = np.zeros_like(added[0][0])
        for mask, kind in added:
            assert kind == "plain" or not covered[mask].any()
            covered |= mask
        first.append(added[0][1])
    assert set(first) == {"camouflaged", "sticker"}
    assert first.count("sticker") == pytest.approx(20, abs=10)


def test_the_sensor_sees_nothing_in_the_shadow_of_nearer_surfaces() -> None:
    depth = np.full((60, 80), 3000.0)
    depth[:, 40:] = 2000.0
    measured = shapes_nyud.sense(np.random.default_rng(3), depth)
    assert measured.dtype == np.uint16
    assert not measured[:, 38:40].any()
    assert (measured == 0).mean() < 2 / 80 + 0.05, "spots are small"
    for side, value in ((measured[:, :38], 3000), (measured[:, 40:], 2000)):
        seen = side[side > 0].astype(float)
        assert seen.mean() == pytest.approx(value, rel=0.002)
        assert seen.std() == pytest.approx(0.01 * value, rel=0.1)


def test_the_same_seed_draws_the_same_scene() -> None:
    first, again, other = (
        shapes_nyud.scene(np.random.default_rng((2015, 3, i))) for i in (0, 0, 1)
    )
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert first[0].shape != other[0].shape or not np.array_equal(first[0], other[0])


def test_depths_are_those_of_a_room() -> None:
    depths = [shapes_nyud.scene(np.random.default_rng((7, i)))[1] for i in range(30)]
    values = np.concatenate([depth.ravel() for depth in depths])
    seen = values[values > 0]
    assert seen.min() > 500
    assert seen.max() < 4000
    assert 2200 < seen.mean() < 3400
    assert 0.005 < (values == 0).mean() < 0.05


def test_a_set_of_another_version_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "shapes_nyud"
    shapes_nyud.read("shapes_nyud", str(root), LISTS, "nyud/test")
    (root / "version").write_text("0\n")
    with pytest.raises(ValueError, match=r"shapes_nyud` holds version 0 of the embedded data set"):
        shapes_nyud.read("shapes_nyud", str(root), LISTS, "nyud/test")
