import pytest
import torch
from torch import nn

from fcn_lightning.formats import find, read_checkpoint, read_weights
from fcn_lightning.models import transplant


@pytest.fixture
def saved(narrow, tmp_path):
    """A network, and its checkpoint in a run's folder."""
    network = narrow(("pool4",), num_classes=3, padding="same")
    path = tmp_path / "run" / "checkpoints" / "last.ckpt"
    path.parent.mkdir(parents=True)
    card = {"format": 1, "network": network.description, "data": {"name": "voc"}}
    state = {f"network.{name}": value for name, value in network.state_dict().items()}
    state["scores.confusion"] = torch.zeros(3, 3)
    torch.save({"fcn_lightning": card, "state_dict": state, "global_step": 3}, path)
    return network, path


def save(tmp_path, content):
    torch.save(content, tmp_path / "weights.pth")
    return tmp_path / "weights.pth"


def test_a_checkpoint_rebuilds_its_network_alone(saved):
    network, path = saved
    checkpoint = read_checkpoint(path)
    image = torch.randint(0, 256, (1, 3, 40, 33), dtype=torch.uint8)
    assert (checkpoint.step, checkpoint.path) == (3, path)
    assert checkpoint.card["data"] == {"name": "voc"}
    assert torch.equal(checkpoint.network().eval()(image), network(image))


def test_a_run_folder_means_its_last_checkpoint(saved):
    _, path = saved
    assert find(path.parents[1]) == find(path) == path
    assert read_checkpoint(path.parents[1]).step == 3


def test_weights_of_a_checkpoint_start_the_next_stage(saved, narrow):
    network, path = saved
    finer = narrow(("pool4", "pool3"), num_classes=3, padding="same")
    report = transplant(finer, read_weights(path, finer))
    assert report.missing == ["score_pool3.weight", "score_pool3.bias"]
    assert not report.left_out
    assert torch.equal(finer.head.score_pool4.weight, network.head.score_pool4.weight)


def test_weights_by_layer_name_are_read_unchanged(narrow, tmp_path):
    content = {"conv1_1.bias": torch.ones(4), "fc8.bias": torch.zeros(2)}
    assert read_weights(save(tmp_path, content), narrow()).keys() == content.keys()


@pytest.mark.parametrize("place", ["nowhere.pth", "."])
def test_a_missing_checkpoint(tmp_path, place):
    path = tmp_path / place
    missing = path / "checkpoints" / "last.ckpt" if place == "." else path
    with pytest.raises(FileNotFoundError) as error:
        find(path)
    assert str(error.value) == f"Checkpoint not found: {missing}."


@pytest.mark.parametrize("content", [b"hello", b"PK\x03\x04broken", b"\x80\x02broken"])
@pytest.mark.parametrize("read", [read_checkpoint, lambda path: read_weights(path, nn.Module())])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path, content, read):
    path = tmp_path / "last.ckpt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="not a readable") as error:
        read(path)
    assert str(error.value) == (
        f"{path} is not a readable checkpoint or weight file: it is truncated, of another format, "
        "or contains more than plain values and tensors. Save or download it again; import a "
        ".caffemodel with `fcn import`."
    )


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html>", "a web page or XML, perhaps of a failed download"),
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            "a pointer of Git LFS, not the file itself: run `git lfs pull`",
        ),
        (b"\x89HDF\r\n\x1a\n", "HDF5, as Keras writes it"),
        (b'{"weights": 1}', "JSON text"),
    ],
)
def test_what_is_no_checkpoint_is_named(tmp_path, content, kind):
    path = tmp_path / "last.ckpt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is not a checkpoint") as error:
        read_checkpoint(path)
    assert str(error.value) == f"{path} is not a checkpoint or weight file. It is {kind}."


def test_a_truncated_checkpoint_is_refused(saved):
    _, path = saved
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ValueError, match="not a readable"):
        read_checkpoint(path)


def test_a_file_that_would_run_code_is_refused(tmp_path):
    path = save(tmp_path, {"fcn_lightning": {"format": 1}, "hook": nn.Linear(1, 1)})
    with pytest.raises(ValueError, match="not a readable"):
        read_checkpoint(path)


def test_weights_are_no_checkpoint(tmp_path):
    path = save(tmp_path, {"conv1_1.bias": torch.ones(4)})
    with pytest.raises(ValueError, match="fcn-train") as error:
        read_checkpoint(path)
    assert str(error.value) == (
        f"{path} is not a checkpoint of fcn-train: it has no network description. Import the "
        "weights of other projects with `fcn import`."
    )


@pytest.mark.parametrize("version", [0, 2, None])
def test_a_checkpoint_of_another_format_is_refused(tmp_path, version):
    path = save(tmp_path, {"fcn_lightning": {"format": version}, "state_dict": {}})
    with pytest.raises(ValueError, match="format") as error:
        read_checkpoint(path)
    assert str(error.value) == (
        f"{path} has checkpoint format {version}; this version of fcn-lightning reads format 1. "
        "Install the version that wrote it."
    )


@pytest.mark.parametrize(
    ("content", "missing"),
    [
        ({"fcn_lightning": {"format": 1}, "state_dict": {}}, "network"),
        ({"fcn_lightning": {"format": 1, "network": {}}}, "state_dict"),
    ],
)
def test_an_incomplete_checkpoint_is_refused(tmp_path, content, missing):
    path = save(tmp_path, content)
    with pytest.raises(ValueError, match="incomplete") as error:
        read_checkpoint(path)
    assert str(error.value) == f"{path} is incomplete: it has no `{missing}`."


@pytest.mark.parametrize("content", [[1, 2], {}, {"epoch": 3}, {"conv1_1.bias": [1.0]}])
def test_a_file_of_something_else_is_refused(narrow, tmp_path, content):
    path = save(tmp_path, content)
    with pytest.raises(ValueError, match="no weights") as error:
        read_weights(path, narrow())
    assert str(error.value) == (
        f"{path} contains no weights by layer name. Save the network's `state_dict()`."
    )


def test_a_checkpoint_of_other_widths_is_refused(saved, narrow):
    _, path = saved
    other = narrow(widths=(4, 8, 16, 32, 48))
    with pytest.raises(ValueError, match="shape") as error:
        transplant(other, read_weights(path, other))
    assert str(error.value) == (
        "`conv5_1.weight` must have the shape (48, 32, 3, 3); the weights have (32, 32, 3, 3). "
        "Choose the widths (`backbone.widths`, `backbone.fc_widths`, `backbone.fc6_kernel`) and "
        "classes that the weights were trained with."
    )


def test_a_checkpoint_of_other_classes_is_refused(saved, narrow):
    _, path = saved
    other = narrow(num_classes=5)
    with pytest.raises(ValueError, match=r"^`score_fr.weight` must have the shape \(5, 64, 1, 1\)"):
        transplant(other, read_weights(path, other))


def test_a_checkpoint_of_another_backbone_is_refused(saved, narrow):
    _, path = saved
    other = narrow(backbone="alexnet", num_classes=3)
    with pytest.raises(ValueError, match=r"^`fc6.weight` must have the shape \(64, 16, 6, 6\); "):
        transplant(other, read_weights(path, other))


def test_a_broken_checkpoint_is_refused(saved, narrow):
    network, path = saved
    content = torch.load(path, weights_only=True)
    content["state_dict"]["network.backbone.fc7.bias"][5] = float("nan")
    torch.save(content, path)
    with pytest.raises(ValueError, match=r"^`fc7.bias` must be finite; the weights hold NaN"):
        transplant(network, read_weights(path, network))


def test_a_card_that_is_no_mapping_is_refused(tmp_path):
    path = save(tmp_path, {"fcn_lightning": [1], "state_dict": {}})
    with pytest.raises(ValueError, match="damaged") as error:
        read_checkpoint(path)
    assert str(error.value) == (
        f"{path} is damaged: its `fcn_lightning` entry is a list, not a mapping."
    )
