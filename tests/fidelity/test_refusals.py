"""A folder that is not as the README says is refused with status 2 and one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Folder = Callable[..., Path]
Fidelity = Callable[[Path], tuple[int, Any]]
Change = Callable[[dict[str, Any]], object]

FORWARD = "forward_voc-fcn32s_narrow_33x45.npz"
WEIGHTS = "weights_voc-fcn32s_narrow.npz"
TRAIN = "train_voc-fcn32s_dropout.npz"
SEQUENCE = "train_sequence.npz"
STATS = "stats_voc-fcn16s_narrow.json"


@pytest.fixture
def sentence(folder: Folder, fidelity: Fidelity) -> Callable[..., str]:
    """The one sentence that a folder of these files gets, after a change to the first one."""

    def refused(*names: str, change: Change | None = None) -> str:
        place = folder(*names)
        if change is not None:
            with np.load(place / names[0]) as archive:
                values = dict(archive)
            change(values)
            np.savez(place / names[0], **values)
        status, said = fidelity(place)
        assert status == 2
        assert len(said.splitlines()) == 1
        return str(said).strip()

    return refused


@pytest.mark.parametrize(
    "name",
    [
        "notes.txt",
        "gradients_voc-fcn32s_narrow.npz",
        "forward_voc-fcn32s_narrow_33x45.json",
        "forward_voc-fcn32s_33x45.npz",
        "weights_voc-fcn32s_narrow_33x45.npz",
        "score.npz",
    ],
)
def test_an_unknown_kind(name: str, folder: Folder, sentence: Callable[..., str]) -> None:
    (folder() / name).touch()
    said = sentence()
    assert said.startswith(f"Unknown golden file `{name}`. Name it as their README says, ")
    assert said.endswith(", or take it out of the folder.")


def test_an_unknown_model(folder: Folder, sentence: Callable[..., str]) -> None:
    (folder() / "weights_voc-fcn64s_narrow.npz").touch()
    said = sentence()
    assert said.startswith("Unknown golden file `weights_voc-fcn64s_narrow.npz`. ")
    assert ", with a model of voc-fcn32s, voc-fcn16s, " in said


def test_a_missing_key(sentence: Callable[..., str]) -> None:
    assert sentence(FORWARD, WEIGHTS, change=lambda values: values.pop("loss")) == (
        f"`{FORWARD}` lacks `loss`. Make it as the README of the golden files says."
    )


def test_no_score(sentence: Callable[..., str]) -> None:
    assert sentence(FORWARD, WEIGHTS, change=lambda values: values.pop("score")) == (
        f"`{FORWARD}` lacks `score`. Make it as the README of the golden files says."
    )


def test_an_unknown_key(sentence: Callable[..., str]) -> None:
    said = sentence(FORWARD, WEIGHTS, change=lambda values: values.update(scores=np.zeros(1)))
    assert said == (
        f"`{FORWARD}` holds the unknown key `scores`. Make it as the README of the golden files "
        "says."
    )


def test_an_unknown_blob(sentence: Callable[..., str]) -> None:
    said = sentence(FORWARD, WEIGHTS, change=lambda values: values.update(blob_pool6=np.zeros(1)))
    assert said.startswith(f"`{FORWARD}` holds the unknown blob `pool6`; its network has data, ")
    assert ", conv1_1, " in said


def test_another_size_than_its_name_says(sentence: Callable[..., str]) -> None:
    def cut(values: dict[str, Any]) -> None:
        values["image_rgb"] = values["image_rgb"][:-1]

    said = sentence(FORWARD, WEIGHTS, change=cut)
    assert said.startswith(f"`{FORWARD}` holds `image_rgb` of 32x45 pixels; its name says 33x45.")


@pytest.mark.parametrize("name", [FORWARD, STATS, TRAIN])
def test_missing_weights(name: str, sentence: Callable[..., str]) -> None:
    weights = f"weights_{name.split('_')[1]}_narrow.npz"
    assert sentence(name, SEQUENCE) == (
        f"`{name}` needs `{weights}` in the same folder. Copy it there too."
    )


def test_a_missing_sequence(sentence: Callable[..., str]) -> None:
    assert f"`{TRAIN}` needs `{SEQUENCE}` in the same folder" in sentence(TRAIN, WEIGHTS)


def test_weights_of_another_network(folder: Folder, sentence: Callable[..., str]) -> None:
    (folder(WEIGHTS) / WEIGHTS).rename(folder() / "weights_voc-fcn16s_narrow.npz")
    assert sentence() == (
        "`weights_voc-fcn16s_narrow.npz` lacks score_pool4.weight, score_pool4.bias of voc-fcn16s. "
        "Make it as the README of the golden files says."
    )


def test_a_weight_too_many(sentence: Callable[..., str]) -> None:
    change: Change = lambda values: values.update({"fc8.bias": np.zeros(3, np.float32)})  # noqa: E731
    said = sentence(WEIGHTS, change=change)
    assert said.startswith(f"`{WEIGHTS}` holds fc8.bias, which voc-fcn32s has not.")


@pytest.mark.parametrize("name", [WEIGHTS, STATS, "palette21.npy"])
def test_a_file_that_is_cut_off(name: str, folder: Folder, sentence: Callable[..., str]) -> None:
    path = folder(name, "weights_voc-fcn16s_narrow.npz") / name
    path.write_bytes(path.read_bytes()[:-40])
    said = sentence()
    assert said.startswith(f"`{name}` is damaged (")
    assert said.endswith("Copy it again.")


def test_an_empty_folder(folder: Folder, sentence: Callable[..., str]) -> None:
    (folder() / "README.md").touch()
    (folder() / "make.py").touch()
    said = sentence()
    assert said == f"`{folder()}` holds no golden files. Name the folder that holds them."


def test_no_folder(fidelity: Fidelity, tmp_path: Path) -> None:
    status, said = fidelity(tmp_path / "gone")
    assert (status, said.strip()) == (
        2,
        f"`{tmp_path / 'gone'}` is not a folder. Name the folder of the golden files.",
    )


def test_a_value_of_the_solver_that_is_not_known(sentence: Callable[..., str]) -> None:
    def change(values: dict[str, Any]) -> None:
        values["meta"] = np.array(json.dumps({**json.loads(str(values["meta"])), "clip": 3}))

    said = sentence(TRAIN, WEIGHTS, SEQUENCE, change=change)
    assert said.startswith(f"`{TRAIN}` holds no solver in `meta` (`clip`: Extra inputs are not ")
    assert "; got 3)." in said


def test_a_missing_mask(sentence: Callable[..., str]) -> None:
    said = sentence(TRAIN, WEIGHTS, SEQUENCE, change=lambda values: values.pop("mask3/fc7"))
    assert said.startswith(f"`{TRAIN}` lacks `mask3/fc7`.")


@pytest.mark.parametrize(
    ("name", "key", "spoil", "what"),
    [
        (FORWARD, "loss", np.atleast_1d, "cannot be compared (TypeError("),
        (TRAIN, "loss", np.atleast_2d, "holds `loss` of (1, 10) and not of (10,)."),
        (TRAIN, "mask9/fc7", lambda bits: np.append(bits, bits), "holds "),
        (TRAIN, "maskshape9/fc7", lambda shape: np.append(shape, 1), "cannot be compared ("),
    ],
)
def test_a_value_of_another_shape(
    name: str,
    key: str,
    spoil: Callable[[Any], Any],
    what: str,
    sentence: Callable[..., str],
) -> None:
    change: Change = lambda values: values.update({key: spoil(values[key])})  # noqa: E731
    assert sentence(name, WEIGHTS, SEQUENCE, change=change).startswith(f"`{name}` {what}")


def test_a_missing_image_of_its_own(sentence: Callable[..., str]) -> None:
    model = "nyud-fcn16s-color-hha"
    names = (f"train_{model}_fast.npz", f"weights_{model}_narrow.npz", SEQUENCE)
    assert sentence(*names, change=lambda values: values.pop("in1/hha")) == (
        f"`{names[0]}` lacks `in1/hha`. Make it as the README of the golden files says."
    )


def test_a_missing_final_weight(sentence: Callable[..., str]) -> None:
    said = sentence(TRAIN, WEIGHTS, SEQUENCE, change=lambda values: values.pop("final/fc6.bias"))
    assert said.startswith(f"`{TRAIN}` lacks `final/fc6.bias`.")


def test_a_caffemodel_that_is_cut_off(folder: Folder, sentence: Callable[..., str]) -> None:
    path = folder(WEIGHTS) / "voc-fcn32s_narrow.caffemodel.gz"
    path.write_bytes(b"\x1f\x8b\x08\x00")
    assert sentence().startswith(f"`{path.name}` is damaged (EOFError(")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("{}", "holds nothing to compare."),
        ('{"a_9_py3_randint": [8]}', "holds no order of Python 2."),
        ('{"sbd_train_8498_py2": 3}', "cannot be compared (TypeError("),
    ],
)
def test_values_that_are_none(
    content: str, what: str, folder: Folder, sentence: Callable[..., str]
) -> None:
    (folder() / "random_order.json").write_text(content)
    assert sentence().startswith(f"`random_order.json` {what}")
