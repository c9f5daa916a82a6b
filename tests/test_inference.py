import numpy as np
import pytest
import torch

from fcn_lightning.inference import Predictor, load

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


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (
            {"normalize": {"color": "nyud_color", "hha": "nyud_hha"}, "fusion": "late"},
            "of several modalities",
        ),
        ({"head": {"name": "classifier"}, "padding": "same", "fc6_kernel": 3}, "a classifier"),
    ],
)
def test_networks_of_other_images_are_refused(narrow, tmp_path, arguments, what):
    path = saved(narrow(**arguments), tmp_path / "a.ckpt")
    with pytest.raises(ValueError, match="RGB") as error:
        load(path)
    assert str(error.value) == (
        f"The network in {path} is {what}. Only networks that label RGB images can predict."
    )
