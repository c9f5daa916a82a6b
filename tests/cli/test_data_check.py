"""`fcn data check` on trees in the official formats, whole and damaged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import scipy.io
from PIL import Image
from typer.testing import CliRunner

import trees
from fcn_lightning.cli.fcn import app

MAIN = "VOCdevkit/VOC2010/ImageSets/Main"
SEGMENTATION = "VOCdevkit/VOC2011/ImageSets/Segmentation"


class Result(NamedTuple):
    status: int
    out: str
    err: str


Check = Callable[..., Result]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Runs `fcn data check NAME` on the folder of the trees; `sbd` is a config of one's own."""
    own = tmp_path / "own" / "data" / "sbd.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("defaults: [voc]\nname: sbd\ntrain: [sbd/train]\nval: sbd/val\n")

    def check(name: str, *options: str) -> Result:
        name = {"voc": "voc_trees"}.get(name, name)
        places = ["--data-root", str(tmp_path), "--config-dir", str(tmp_path / "own")]
        arguments = ["data", "check", name, *places, *options]
        done = CliRunner().invoke(app, arguments)
        assert done.exception is None or isinstance(done.exception, SystemExit)
        return Result(done.exit_code, done.stdout, done.stderr)

    return check


class Format(NamedTuple):
    """A data set: how to write it, its images by split, a list, and files of one image each."""

    write: Callable[[Path, np.random.Generator], trees.Values]
    train: Sequence[str]
    val: Sequence[str]
    labels: Mapping[str, str]
    split: tuple[str, str]
    image: str
    label: str
    variable: str | None
    outside: tuple[int, str]


def voc_and_sbd(root: Path, rng: np.random.Generator) -> trees.Values:
    voc = trees.voc(root, rng)
    return trees.sbd(root, rng) | voc


INSIDE = trees.INSIDE

FORMATS = {
    "voc": Format(
        voc_and_sbd, (*trees.VOC_TRAIN, "2008_000002"), trees.VOC_VAL, {"": "label"},
        ("voc/val", f"{SEGMENTATION}/val.txt"), "VOCdevkit/VOC2011/JPEGImages/{}.jpg",
        "VOCdevkit/VOC2011/SegmentationClass/{}.png", None,
        (77, "Use 0 to 20 for the 21 classes, and 255 for void."),
    ),
    "sbd": Format(
        trees.sbd, trees.SBD_TRAIN, trees.SBD_VAL, {"": "label"},
        ("sbd/train", "sbd/train.txt"), "sbd/img/{}.jpg", "sbd/cls/{}.mat", "GTcls",
        (21, "Use 0 to 20 for the 21 classes, and 255 for void."),
    ),
    "nyud": Format(
        trees.nyud, trees.NYUD["train"] + trees.NYUD["val"], trees.NYUD["test"], {"": "label"},
        ("nyud/test", "test.txt"), "data/depth/img_{}.png", "segmentation/img_{}.mat",
        "segmentation", (41, "Use 1 to 40 for the 40 classes, and 0 for void."),
    ),
    "siftflow": Format(
        trees.siftflow, trees.SIFTFLOW["trainval"], trees.SIFTFLOW["test"],
        {"sem": "label_sem", "geo": "label_geo"}, ("siftflow/trainval", "trainval.txt"),
        f"Images/{INSIDE}/{{}}.jpg", f"GeoLabels/{INSIDE}/{{}}.mat", "S",
        (4, "Use 1 to 3 for the 3 classes, and -1 for void."),
    ),
    "pascal_context": Format(
        trees.pascal_context, trees.CONTEXT["train"], trees.CONTEXT["val"], {"": "label"},
        ("pascal_context/val", f"{MAIN}/val.txt"), "VOCdevkit/VOC2010/JPEGImages/{}.jpg",
        "context/trainval/{}.mat", "LabelMap", (460, "labels.txt names the labels 1 to 459."),
    ),
}  # fmt: skip


@pytest.fixture(params=FORMATS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def of(name: str) -> Format:
    return FORMATS[name]


@pytest.fixture
def values(of: Format, tmp_path: Path) -> trees.Values:
    return of.write(tmp_path, np.random.default_rng(0))


def change_label(path: Path, variable: str | None, change: Callable[[Any], Any]) -> None:
    """Write a changed label map in its own format."""
    if variable is None:
        with Image.open(path) as picture:
            palette, label = picture.getpalette(), np.array(picture)
        changed = Image.fromarray(change(label))
        changed.putpalette(palette or [])
        changed.save(path)
    elif variable == "GTcls":
        label = scipy.io.loadmat(path)["GTcls"]["Segmentation"][0, 0]
        scipy.io.savemat(path, {"GTcls": {"Segmentation": change(label)}})
    else:
        scipy.io.savemat(path, {variable: change(scipy.io.loadmat(path)[variable])})


def put(value: int) -> Callable[[Any], Any]:
    def change(label: Any) -> Any:
        label[2, 3] = value
        return label

    return change


def test_a_whole_data_set(
    name: str, of: Format, values: trees.Values, check: Check, tmp_path: Path
) -> None:
    done = check(name, "--json")
    record = json.loads(done.out)
    assert done.status == 0
    assert (record["complete"], record["missing"]) == (True, [])
    assert {row["found"] for row in record["files"]} == {row["needed"] for row in record["files"]}
    assert record["num_train"] == len(of.train)
    for title, ids in (("training", of.train), ("validation", of.val)):
        split = record["splits"][title]
        assert (split["damaged"], split["out_of_range"]) == ([], [])
        assert split["num_images"] == len(ids)
        sizes = [values[i][next(iter(of.labels.values()))].shape[1:] for i in ids]
        areas = [h * w for h, w in sizes]
        assert np.prod(split["smallest"]) == min(areas)
        assert np.prod(split["largest"]) == max(areas)
        assert set(split["heads"]) == set(of.labels)
        for head, key in of.labels.items():
            pixels = np.concatenate([values[i][key].ravel() for i in ids])
            assert split["heads"][head]["void"] == pytest.approx((pixels == 255).mean())
            frequencies = list(split["heads"][head]["classes"].values())
            valid = pixels[pixels != 255]
            assert frequencies == pytest.approx(
                [(valid == c).mean() for c in range(len(frequencies))]
            )
            assert sum(frequencies) == pytest.approx(1)


def test_a_missing_image(
    name: str, of: Format, values: trees.Values, check: Check, tmp_path: Path
) -> None:
    ids = (tmp_path / of.split[1]).read_text().split()
    path = tmp_path / of.image.format(ids[0])
    path.unlink()
    done = check(name)
    assert done.status == 2
    assert f"\n  {of.split[0]} " in done.out
    assert f"missing in {path.parent}; the first is {path}." in done.err
    assert "--data-root" in done.err
    assert len(done.err.splitlines()) == 1
    assert "%" not in done.out


def test_damaged_labels(
    name: str, of: Format, values: trees.Values, check: Check, tmp_path: Path
) -> None:
    ids = [i for i in (*of.val, *of.train) if (tmp_path / of.label.format(i)).exists()]
    wrong, other, cut = (tmp_path / of.label.format(i) for i in ids[:3])
    value, use = of.outside
    change_label(wrong, of.variable, put(value))
    change_label(other, of.variable, lambda label: label[1:])
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size * 2 // 3])
    done = check(name)
    assert done.status == 1
    assert f"The label map {wrong} has the value {value}. {use}" in done.out
    assert f"The label map {other} is " in done.out
    assert f"Cannot read the label map {cut}: " in done.out
    num_images = len(of.train) + len(of.val)
    assert done.out.splitlines()[-1] == f"3 of {num_images} images are broken"


def test_an_empty_list(
    name: str, of: Format, values: trees.Values, check: Check, tmp_path: Path
) -> None:
    (tmp_path / of.split[1]).write_text("")
    done = check(name)
    assert (done.status, done.err.strip()) == (
        2,
        f"The list {of.split[0]} is empty. Put one id on each line.",
    )
    assert f"{of.split[0]} " in done.out
    assert " 0 ids" in done.out


def test_a_missing_list(
    name: str, of: Format, values: trees.Values, check: Check, tmp_path: Path
) -> None:
    path = tmp_path / of.split[1]
    path.unlink()
    done = check(name)
    assert done.status == 2
    if name in ("nyud", "siftflow"):  # the package has them
        assert "in the package" in done.out
        assert " are missing in " in done.err
    else:
        assert f"Unknown list {of.split[0]}: {path} does not exist. " in done.err


@pytest.mark.parametrize(
    ("config", "archives"),
    [
        ("voc", ["VOCtrainval_11-May-2012.tar", "benchmark.tgz"]),
        ("nyud", ["nyud.tar.gz"]),
        ("siftflow", ["SiftFlowDataset.zip"]),
        ("pascal_context", ["trainval.tar.gz", "VOCtrainval_03-May-2010.tar"]),
    ],
)
def test_nothing_is_there(config: str, archives: list[str], check: Check) -> None:
    done = check(config)
    assert done.status == 2
    assert len(done.err.splitlines()) == len(archives)
    assert all(archive in done.err for archive in archives)
    assert all("--data-root" in line for line in done.err.splitlines())
    assert "`data.root`" not in done.err


def test_all_modalities_are_counted_and_official_counts_told(tmp_path: Path, check: Check) -> None:
    trees.nyud(tmp_path, np.random.default_rng(0))
    out = check("nyud").out
    lines = {line.split("  ")[0]: line for line in (x.strip() for x in out.splitlines())}
    assert "2 ids, officially 381" in lines["nyud/train"]
    assert str(tmp_path / "test.txt") in lines["nyud/test"]
    for kind, folder in (("color", "images"), ("depth", "depth"), ("hha", "hha")):
        line = lines[f"nyud {kind} images"]
        assert "6 of 6" in line
        assert line.endswith(str(tmp_path / "data" / folder))
    assert "the official number of training images is 795" in lines


def test_both_heads_have_a_table(tmp_path: Path, check: Check) -> None:
    trees.siftflow(tmp_path, np.random.default_rng(0))
    out = check("siftflow").out
    assert "sem class, % of valid pixels" in out
    assert "geo class, % of valid pixels" in out
    assert out.count("void, % of all pixels") == 2


def test_a_missing_folder_of_one_modality(tmp_path: Path, check: Check) -> None:
    trees.nyud(tmp_path, np.random.default_rng(0))
    shutil.rmtree(tmp_path / "data" / "hha")
    done = check("nyud", "--json")
    record = json.loads(done.out)
    assert (done.status, record["complete"]) == (2, False)
    found = {row["kind"]: (row["found"], row["needed"]) for row in record["files"]}
    assert found == {
        "color image": (6, 6), "depth image": (6, 6), "hha image": (0, 6), "label": (6, 6),
    }  # fmt: skip
    assert record["missing"] == [
        f"6 of 6 hha images of nyud are missing in {tmp_path / 'data/hha'}; the first is "
        f"{tmp_path / 'data/hha/img_5003.png'}. Download nyud.tar.gz, unpack it and set "
        "`data.root` to its folder."
    ]


def test_names_of_classes_that_are_missing(tmp_path: Path, check: Check) -> None:
    trees.pascal_context(tmp_path, np.random.default_rng(0))
    (tmp_path / "context" / "labels.txt").unlink()
    done = check("pascal_context")
    assert done.status == 2
    assert done.err.startswith(f"{tmp_path / 'context' / 'labels.txt'} is missing. Download ")


def test_damaged_images(tmp_path: Path, check: Check) -> None:
    trees.nyud(tmp_path, np.random.default_rng(0))
    text, cut = (tmp_path / f"data/{p}.png" for p in ("hha/img_5001", "depth/img_5002"))
    text.write_text("<html>")
    cut.write_bytes(cut.read_bytes()[:-300])
    done = check("nyud")
    assert done.status == 1
    broken = [line for line in done.out.splitlines() if "Cannot read the image" in line]
    assert [line.split(": ")[0] for line in broken] == ["validation"] * 2
    assert [str(path) in line for path, line in zip((text, cut), broken)] == [True, True]
    assert done.out.endswith("2 of 6 images are broken\n")


def test_json_is_alone_on_standard_output(tmp_path: Path, check: Check) -> None:
    trees.nyud(tmp_path, np.random.default_rng(0))
    (tmp_path / "segmentation" / "img_5001.mat").write_text("")
    done = check("nyud", "--json")
    record = json.loads(done.out)
    assert done.status == 1
    assert len(record["splits"]["validation"]["damaged"]) == 1
    assert record["splits"]["validation"]["num_images"] == 3
