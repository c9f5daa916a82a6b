import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import fcn_lightning
from fcn_lightning.inference import Predictor, load
from fcn_lightning.inference.sources import modality_paths
from fcn_lightning.labels import LabelSet

IMAGE = np.random.default_rng(0).integers(0, 256, (37, 52, 3), dtype=np.uint8)


def saved(network, path):
    state = {f"network.{name}": value for name, value in network.state_dict().items()}
    card = {"format": 1, "network": network.description}
    torch.save({"fcn_lightning": card, "state_dict": state}, path)
    return path


def test_labels_are_the_best_scored_classes(narrow, tmp_path):
    network = narrow(("pool4", "pool3"))
    label = load(saved(network, tmp_path / "a.ckpt")).predict(IMAGE)
    pixels = torch.from_numpy(IMAGE).permute(2, 0, 1)[None]
    with torch.no_grad():
        scores = network(pixels)[0].numpy()
    assert label.dtype == np.uint8
    np.testing.assert_array_equal(label, scores.argmax(0))
    assert len(np.unique(label)) > 1


def test_each_head_labels(narrow):
    network = narrow(num_classes={"sem": 33, "geo": 3})
    predictor = Predictor(network)
    labels = predictor.predict(IMAGE)
    assert predictor.heads == ["sem", "geo"]
    assert {head: label.shape for head, label in labels.items()} == {
        "sem": (37, 52),
        "geo": (37, 52),
    }
    assert labels["sem"].max() > 2 >= labels["geo"].max()


def test_each_modality_is_read_and_labeled_together(narrow, tmp_path):
    normalize = {"color": "nyud_color", "depth": "nyud_depth"}
    network = narrow(normalize=normalize, fusion="early")
    depth = np.random.default_rng(1).integers(500, 9000, (37, 52)).astype(np.uint16)
    for folder, pixels in (("rgb", IMAGE), ("d", depth)):
        (tmp_path / folder).mkdir()
        Image.fromarray(pixels).save(tmp_path / folder / "a.png")
    predictor = load(saved(network, tmp_path / "a.ckpt"))
    image = tmp_path / "rgb" / "a.png"
    paths = modality_paths([image], list(predictor.modalities), [f"depth={tmp_path / 'd'}"])[image]
    assert paths == {"color": image, "depth": tmp_path / "d" / "a.png"}
    read = {name: predictor.modalities[name](path) for name, path in paths.items()}
    batch = {
        "color": torch.from_numpy(IMAGE).permute(2, 0, 1)[None],
        "depth": torch.from_numpy(depth.astype(np.float32))[None, None],
    }
    with torch.no_grad():
        scores = network(batch)[0].numpy()
    np.testing.assert_array_equal(predictor.predict(read), scores.argmax(0))
    with pytest.raises(ValueError, match="one size") as error:
        predictor.predict({**read, "depth": read["depth"][:-1]})
    assert str(error.value) == (
        "The images of all modalities must have one size; got 36 x 52, 37 x 52."
    )


@pytest.mark.parametrize(
    ("modalities", "given", "message"),
    [
        (["color", "depth"], [], "The network labels color images and needs "
         "--modality depth=FOLDER; got none."),
        (["color", "hha"], ["depth=d"], "The network labels color images and needs "
         "--modality hha=FOLDER; got depth=d."),
        ([""], ["depth=d"], "The network labels single images: no --modality; got depth=d."),
        (["color", "depth"], ["depth=d"], "d has no file a.*; one is needed for rgb/a.png."),
    ],
)  # fmt: skip
def test_modalities_that_do_not_fit_are_refused(tmp_path, modalities, given, message):
    Path("d").mkdir()
    with pytest.raises(ValueError, match=r"--modality|d has no file") as error:
        modality_paths([Path("rgb/a.png")], modalities, given)
    assert str(error.value) == message


def test_a_classifier_is_refused(narrow, tmp_path):
    network = narrow(head={"name": "classifier"}, padding="same", fc6_kernel=3)
    path = saved(network, tmp_path / "a.ckpt")
    with pytest.raises(ValueError, match="classifier") as error:
        load(path)
    assert str(error.value) == (
        f"The network in {path} is a classifier. Only networks that label pixels can predict."
    )


def test_a_run_predicts_in_three_lines(narrow, tmp_path):
    path = saved(narrow(("pool4", "pool3")), tmp_path / "a.ckpt")
    Image.fromarray(IMAGE).save("a.png")
    predictor = fcn_lightning.load(path)
    label = predictor.predict("a.png")
    np.testing.assert_array_equal(label, predictor.predict(IMAGE))


def test_an_image_file_is_labeled_upright(narrow):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.ascontiguousarray(np.rot90(IMAGE))).save("a.png", exif=exif)
    predictor = Predictor(narrow(("pool4", "pool3")))
    np.testing.assert_array_equal(predictor.predict("a.png"), predictor.predict(IMAGE))


def test_the_classes_come_from_the_checkpoint(narrow, tmp_path):
    network = narrow(num_classes=2)
    path = saved(network, tmp_path / "a.ckpt")
    assert load(path).labels[""].classes == ("0", "1")
    content = torch.load(path)
    classes = {"name": "own", "classes": ("sky", "sea"), "colors": None, "values": ((0,), (255,))}
    content["fcn_lightning"]["labels"] = {"": classes}
    torch.save(content, path)
    assert load(path).labels[""] == LabelSet("own", ("sky", "sea"), None, ((0,), (255,)))


def test_importing_the_package_is_cheap():
    code = "import sys, fcn_lightning; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).stdout == b"False\n"
