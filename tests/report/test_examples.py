from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fcn_lightning.labels import VOC
from fcn_lightning.report.examples import Examples, examples
from fcn_lightning.report.measured import heads_of
from fcn_lightning.report.pictures import LARGEST, label_map, photograph
from fcn_lightning.visualize import save_label
from report.test_classes import members_of


def shown(runs: Path) -> Examples:
    found = examples(members_of(runs))
    assert found is not None
    return found


def test_best_median_and_worst_and_the_largest_disagreement(filled: Path):
    found = shown(filled)
    assert (found.titles, found.num_images, found.num_scored) == (["FCN-32s", "FCN-16s"], 3, 3)
    reasons = {each.name: each.reasons for each in found.shown}
    # Mean IU of b: 2/4 and 0 of two classes, 3/4 and 0, hence 0.25 and 0.375. Of its four pixels
    # one differs.
    assert reasons == {
        "a": ["Best: mean IU 100.0 on average over the rows"],
        "b": [
            "Median: mean IU 31.2 on average over the rows",
            "FCN-32s and FCN-16s differ in 25.0 % of its pixels",
        ],
        "c": ["Worst: mean IU 12.5 on average over the rows"],
    }
    assert [score for score, _ in found.shown[1].predictions] == [0.25, 0.375]
    assert found.shown[1].predictions[0][1].colors == {1: "#800000", 2: "#008000"}


def test_only_images_that_all_rows_have_are_shown(filled: Path):
    (filled / "shapes/fcn16s/seed0/pictures/b.prediction.png").unlink()
    assert [each.name for each in shown(filled).shown] == ["a", "c"]


@pytest.mark.parametrize("modalities", ["color", ["color"], None])
def test_images_of_one_modality_have_its_one_picture(filled: Path, modalities: object):
    members = members_of(filled)
    for row in (member.row for member in members):
        row.first.record.config["data"] |= {"modalities": modalities, "heads": "sem"}
        assert [*heads_of(row.first.record)] == [""]
    found = examples(members)
    assert found is not None
    assert [[*each.images] for each in found.shown] == [["image"]] * 3


def test_rows_without_pictures_are_left_out(filled: Path):
    (filled / "shapes/fcn16s/seed0/per_image.npz").unlink()
    assert shown(filled).titles == ["FCN-32s"]
    for seed in (0, 1):
        (filled / f"shapes/fcn32s/seed{seed}/per_image.npz").unlink()
    assert examples(members_of(filled)) is None


def test_pictures_are_small_and_keep_their_labels(tmp_path: Path):
    label = np.zeros((500, 1000), np.uint8)
    label[:, 500:] = 255
    save_label(label, VOC.palette, tmp_path / "label.png")
    Image.new("RGB", (100, 50)).save(tmp_path / "image.png")
    found = label_map(tmp_path / "label.png")
    assert (found.width, found.height) == (LARGEST, LARGEST // 2)
    assert found.colors == {0: "#000000", 255: "#e0e0c0"}
    assert found.uri.startswith("data:image/png;base64,")
    photo = photograph(tmp_path / "image.png")
    assert (photo.width, photo.height) == (100, 50)
    assert photo.uri.startswith("data:image/webp;base64,")
    (tmp_path / "broken.png").write_text("none")
    with pytest.raises(OSError, match="cannot identify image file"):
        photograph(tmp_path / "broken.png")


def test_ids_with_subfolders_are_found(filled: Path):
    for run in ("fcn32s/seed0", "fcn16s/seed0"):
        folder = filled / "shapes" / run
        arrays = dict(np.load(folder / "per_image.npz"))
        np.savez(folder / "per_image.npz", **{**arrays, "names": ["sub/a", "b", "c"]})
        for path in (folder / "pictures").glob("a.*"):
            path.rename(path.with_name(f"sub_{path.name}"))
    assert "sub/a" in [each.name for each in shown(filled).shown]
