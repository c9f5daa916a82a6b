"""Trees of data in the official layouts, beside what the reference's layers make of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import trees
from fidelity import check_folder

Fidelity = Callable[[Path], tuple[int, Any]]

KINDS = {
    "voc": ["5 images", "5 labels"],
    "sbd": ["4 images", "4 labels"],
    "nyud": ["6 color images", "6 depth images", "6 hha images", "6 labels"],
    "siftflow": ["5 images", "5 sem labels", "5 geo labels"],
    "pascal_context": ["4 images", "4 labels"],
}


def failed(record: dict[str, Any]) -> dict[str, str]:
    """The rows that exceeded their tolerance."""
    return {row["what"]: row["where"] for row in record["rows"] if not row["ok"]}


def test_all_trees(tmp_path: Path, fidelity: Fidelity) -> None:
    trees.write(tmp_path)
    status, record = fidelity(tmp_path)
    assert status == 0
    rows = [(row["network"], row["what"]) for row in record["rows"]]
    assert rows == [(name, what) for name in sorted(KINDS) for what in KINDS[name]]
    tolerances = {row["what"].split()[-1]: row["tolerance"] for row in record["rows"]}
    assert tolerances == {"images": 2e-5, "labels": 0}


def test_trees_of_the_reference(shared: Path) -> None:
    rows = check_folder(shared / "trees")
    assert {row.network for row in rows} == set(KINDS)
    assert not [row for row in rows if not row.ok]


@pytest.mark.parametrize("name", KINDS)
def test_one_tree_without_its_lists(name: str, tmp_path: Path, fidelity: Fidelity) -> None:
    trees.write(tmp_path, name, seed=1)
    for path in (tmp_path / trees.TREES[name][0]).rglob("*.txt"):
        if "labels" not in path.name:
            path.unlink()
    status, record = fidelity(tmp_path)
    assert (status, [row["what"] for row in record["rows"]]) == (0, KINDS[name])


def test_ids_that_no_list_names(tmp_path: Path, fidelity: Fidelity) -> None:
    (values,) = trees.write(tmp_path, "nyud").values()
    for split in trees.NYUD:
        (tmp_path / "nyud" / f"{split}.txt").write_text("5003\n")
    values["5014"]["label"][0, 3, 3] ^= 1
    trees.save(tmp_path / "nyud.npz", {name: values[name] for name in ("5002", "5014")})
    status, record = fidelity(tmp_path)
    assert (status, failed(record)) == (1, {"2 labels": "5014"})


def flipped(values: Any) -> Any:
    return values[::-1]


def with_mean_of_voc(values: Any) -> Any:
    own, other = trees.COLOR_MEAN, trees.VOC_MEAN
    return values + (own - other).astype(np.float32)[:, None, None]


def off_by_one(values: Any) -> Any:
    changed = values.copy()
    changed[0, 1, 2] += 1
    return changed


@pytest.mark.parametrize(
    ("key", "spoil", "what"),
    [
        ("hha", flipped, "6 hha images"),
        ("color", flipped, "6 color images"),
        ("color", with_mean_of_voc, "6 color images"),
        ("depth", np.exp, "6 depth images"),
        ("label", off_by_one, "6 labels"),
        ("label", lambda label: label[:, 1:], "6 labels"),
    ],
)
def test_a_spoiled_value(
    key: str, spoil: Callable[[Any], Any], what: str, tmp_path: Path, fidelity: Fidelity
) -> None:
    (values,) = trees.write(tmp_path, "nyud").values()
    values["5007"][key] = spoil(values["5007"][key])
    trees.save(tmp_path / "nyud.npz", values)
    status, record = fidelity(tmp_path)
    assert status == 1
    assert list(failed(record)) == [what]
    assert failed(record)[what].startswith("5007")


def test_one_head_that_is_spoiled(tmp_path: Path, fidelity: Fidelity) -> None:
    (values,) = trees.write(tmp_path, "siftflow").values()
    values["coast_a1"]["label_geo"] = off_by_one(values["coast_a1"]["label_geo"])
    trees.save(tmp_path / "siftflow.npz", values)
    status, record = fidelity(tmp_path)
    assert (status, failed(record)) == (1, {"5 geo labels": "coast_a1"})


def test_a_hha_image_that_was_saved_as_bgr(tmp_path: Path, fidelity: Fidelity) -> None:
    trees.write(tmp_path, "nyud")
    path = tmp_path / "nyud" / "data" / "hha" / "img_5007.png"
    with Image.open(path) as image:
        pixels = np.array(image)
    Image.fromarray(pixels[:, :, ::-1]).save(path)
    assert failed(fidelity(tmp_path)[1]) == {"6 hha images": "5007"}


def test_a_file_that_cannot_be_read(tmp_path: Path, fidelity: Fidelity) -> None:
    trees.write(tmp_path, "nyud")
    path = tmp_path / "nyud" / "segmentation" / "img_5007.mat"
    path.unlink()
    status, record = fidelity(tmp_path)
    assert status == 1
    assert failed(record)["6 labels"] == (
        f"5007: Cannot read the label map {path}: it does not exist."
    )


def test_values_of_some_kinds(tmp_path: Path, fidelity: Fidelity) -> None:
    (values,) = trees.write(tmp_path, "nyud").values()
    some = {"5003": {"hha": values["5003"]["hha"]}, "5007": {"label": values["5007"]["label"]}}
    trees.save(tmp_path / "nyud.npz", some)
    status, record = fidelity(tmp_path)
    assert (status, [row["what"] for row in record["rows"]]) == (0, ["1 hha image", "1 label"])


def test_values_without_a_tree(tmp_path: Path, fidelity: Fidelity) -> None:
    trees.write(tmp_path, "nyud")
    (tmp_path / "nyud").rename(tmp_path.parent / "elsewhere")
    status, said = fidelity(tmp_path)
    assert status == 2
    assert said.startswith("`nyud.npz` needs its tree in the same folder: NYUDv2 is not in ")


def test_a_tree_without_values(tmp_path: Path, fidelity: Fidelity) -> None:
    trees.write(tmp_path, "nyud", "voc")
    (tmp_path / "voc.npz").unlink()
    status, said = fidelity(tmp_path)
    assert status == 2
    assert said.startswith("Unknown golden file `voc`. ")


def test_an_unknown_key(tmp_path: Path, fidelity: Fidelity) -> None:
    (values,) = trees.write(tmp_path, "siftflow").values()
    values["coast_a1"]["depth"] = np.zeros(1)
    trees.save(tmp_path / "siftflow.npz", values)
    status, said = fidelity(tmp_path)
    assert (status, said.strip()) == (
        2,
        "`siftflow.npz` holds the unknown key `coast_a1/depth`. Make it as the README of the "
        "golden files says.",
    )
