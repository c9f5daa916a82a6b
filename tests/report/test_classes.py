from pathlib import Path

import pytest

from fcn_lightning.report.classes import class_lines, confusions
from fcn_lightning.report.measured import heads_of, measured_rows, members_by_classes
from fcn_lightning.report.per_image import read_per_image
from fcn_lightning.runs.record import read_record
from fcn_lightning.tables.definitions import read_table
from fcn_lightning.tables.records import read_records
from fcn_lightning.tables.results import collect
from report.conftest import CLASSES, with_files


def members_of(runs: Path):
    records = read_records(runs)
    results = collect(read_table("table2"), "shapes", records)
    groups = members_by_classes(measured_rows(results.rows, records))
    assert list(groups) == [CLASSES]
    return groups[CLASSES]


def test_class_iu_is_averaged_over_the_seeds_that_have_one(filled: Path):
    background, disk, square = class_lines(CLASSES, members_of(filled))
    # 0.4 and 0.6: mean 0.5, sample deviation sqrt(2 * 0.1^2)
    assert disk.values[0] == pytest.approx((0.5, 0.1414214))
    assert disk.values[1] == (0.75, None)
    assert background.values[0] == pytest.approx((0.9, 0.0))
    assert square.values == [None, (0.5, None)]


def test_confusion_is_in_percent_of_a_labels_pixels_over_all_seeds(filled: Path):
    first, second = confusions(CLASSES, members_of(filled))
    # Of 12 pixels of disk in each seed, 4 + 2 + 1 are right.
    assert first.percents == [None, [0, 58, 42], None]
    assert first.mistakes == [("disk", "square", pytest.approx(100 * 5 / 12))]
    assert second.percents == [None, [0, 67, 33], None]


def test_runs_without_matrices_have_no_confusion(filled: Path):
    (filled / "shapes/fcn16s/seed0/per_image.npz").unlink()
    assert [each.title for each in confusions(CLASSES, members_of(filled))] == ["FCN-32s"]


def test_mean_iu_of_an_image_is_over_the_classes_that_it_has(filled: Path):
    found = read_per_image(filled / "shapes/fcn32s/seed0", "")
    assert found is not None
    # 4 right: disk 1. 2 right: disk 2/4, square 0/2. 1 right: disk 1/4, square 0/3.
    assert found.mean_iu.tolist() == [1.0, 0.25, 0.125]
    assert read_per_image(filled / "shapes/fcn32s/seed0", "geo") is None


def test_classes_of_other_heads_begin_with_their_name(filled: Path):
    record = read_record(filled / "shapes/fcn32s/seed0")
    config = {**record.config, "data": {**record.config["data"], "heads": ["sem", "geo"]}}
    class_iu = {"sky": 0.1, "geo/sky": 0.2, "a/b": 0.3}
    two = record.model_copy(update={"config": config, "class_iu": class_iu})
    assert heads_of(two) == {"": {"sky": 0.1, "a/b": 0.3}, "geo": {"sky": 0.2}}
    assert heads_of(record.model_copy(update={"class_iu": class_iu})) == {"": class_iu}


def test_matrices_of_another_head_have_their_own_key(tmp_path: Path):
    with_files(tmp_path, (4, 4, 4))
    with_files(tmp_path, (0, 0, 0), head="geo")
    geo = read_per_image(tmp_path, "geo")
    assert geo is not None
    assert geo.confusion[:, 1].tolist() == [[0, 0, 4]] * 3
