"""A network exported as Caffe's two files, imported again, and run by OpenCV."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from google.protobuf import text_format
from torch import nn

from fcn_lightning.formats import read_checkpoint
from fcn_lightning.formats.caffe import schema
from fcn_lightning.formats.caffe.reader import read
from fcn_lightning.formats.caffe.writer import write
from fcn_lightning.formats.imports import import_file
from fcn_lightning.models import build

NETWORKS = (
    "voc-fcn32s", "voc-fcn16s", "voc-fcn8s", "voc-fcn8s-atonce", "voc-fcn-alexnet",
    "pascalcontext-fcn8s", "siftflow-fcn8s", "nyud-fcn32s-color", "nyud-fcn32s-hha",
    "nyud-fcn32s-color-d", "nyud-fcn32s-color-hha", "nyud-fcn16s-color-hha", "voc-fcn-googlenet",
    "googlenet-pad100", "alexnet", "same", "learned", "all",
)  # fmt: skip

CROPS = {
    "voc-fcn32s": {"score": 19},
    "voc-fcn16s": {"score_pool4c": 5, "score": 27},
    "voc-fcn8s": {"score_pool4c": 5, "score_pool3c": 9, "score": 31},
    "voc-fcn-alexnet": {"score": 18},
    "siftflow-fcn8s": {
        "score_pool4_semc": 5, "score_pool3_semc": 9, "score_sem": 31,
        "score_pool4_geoc": 5, "score_pool3_geoc": 9, "score_geo": 31,
    },
    "nyud-fcn32s-color-hha": {"score": 19},
}  # fmt: skip
"""The offsets in the reference's prototxts."""


def listed(layers):
    """Types, names, inputs and outputs of layers that a deploy form has."""
    without = ("Split", "Dropout", "SoftmaxWithLoss")

    def plain(blob):
        return re.sub(r"^(\w+)_\1_0_split_\d$", r"\1", blob)

    return [
        (layer.type, layer.name, [plain(b) for b in layer.bottoms], list(layer.tops))
        for layer in layers
        if layer.type not in without and layer.name != "label"
    ]


@pytest.mark.parametrize("kind", NETWORKS)
def test_an_exported_network_is_imported_bit_for_bit(network, kind):
    ours = network(kind)
    _, binary = write(ours, Path("net"))
    import_file(binary, Path("net.ckpt"))
    back = read_checkpoint(Path("net.ckpt")).network()
    state, expected = back.state_dict(), ours.state_dict()
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[name], value) for name, value in expected.items())
    for part in ("num_classes", "normalize", "fusion"):
        assert back.description[part] == ours.description[part]
    assert type(back) is type(ours)
    padding = ours.description["backbone"].get("padding")
    assert back.description["backbone"]["padding"] == (
        padding or ("same" if "googlenet" in kind else 100)
    )
    scales = ours.description["head"].get("scales")
    assert back.description["head"].get("scales") == scales


@pytest.mark.parametrize("model", ["voc-fcn8s", "voc-fcn-alexnet"])
def test_layers_are_the_references(golden, network, model):
    _, binary = write(network(model), Path("net"))
    assert listed(read(binary).layers) == listed(read(golden(model)).layers)


@pytest.mark.parametrize("model", ["voc-fcn8s", "voc-fcn-alexnet"])
def test_layers_parameters_are_the_references(golden, network, model):
    _, binary = write(network(model), Path("net"))
    theirs = {layer.name: layer.param for layer in read(golden(model)).layers}
    for layer in read(binary).layers:
        if layer.type == "Input":
            continue
        param, other = layer.param.convolution_param, theirs[layer.name].convolution_param
        assert (list(param.kernel_size), param.group or 1, param.num_output) == (
            list(other.kernel_size), other.group or 1, other.num_output
        )  # fmt: skip
        assert ([*param.pad] or [0], [*param.stride] or [1]) == (
            [*other.pad] or [0], [*other.stride] or [1]
        )  # fmt: skip
        for part in ("pooling_param", "lrn_param", "crop_param", "eltwise_param"):
            assert getattr(layer.param, part) == getattr(theirs[layer.name], part)


@pytest.mark.parametrize("model", CROPS)
def test_crops_are_the_references(network, model):
    text, _ = write(network(model), Path("net"))
    net = text_format.Parse(text.read_text(), schema.NetParameter())
    crops = {layer.name: layer.crop_param for layer in net.layer if layer.type == "Crop"}
    assert {name: list(crop.offset) for name, crop in crops.items()} == {
        name: [offset] for name, offset in CROPS[model].items()
    }
    assert {crop.axis for crop in crops.values()} == {2}


def test_late_fusion_averages_and_upscores_once(network):
    text, _ = write(network("nyud-fcn32s-color-hha"), Path("net"))
    net = text_format.Parse(text.read_text(), schema.NetParameter())
    *_, fused, upscore, score = net.layer
    assert (fused.name, list(fused.bottom)) == ("score_fused", ["score_frcolor", "score_frhha"])
    assert list(fused.eltwise_param.coeff) == [0.5, 0.5]
    assert (upscore.name, list(upscore.bottom)) == ("upscore", ["score_fused"])
    assert (score.name, list(score.bottom)) == ("score", ["upscore", "color"])


def test_max_fusion_is_caffes_max():
    head = {"name": "skip", "skips": ("pool4",), "fuse": "max"}
    backbone = {"name": "vgg16", "widths": (1,) * 5, "fc_widths": (1, 1)}
    text, _ = write(build(backbone=backbone, head=head, num_classes=2), Path("net"))
    net = text_format.Parse(text.read_text(), schema.NetParameter())
    (fuse,) = (layer.eltwise_param for layer in net.layer if layer.type == "Eltwise")
    assert text_format.MessageToString(fuse) == "operation: MAX\n"


def test_a_stream_alone_has_the_layers_up_to_its_pool():
    head = {"name": "skip", "last": "pool3"}
    backbone = {"name": "vgg16", "widths": (1,) * 5, "fc_widths": (1, 1)}
    text, _ = write(build(backbone=backbone, head=head, num_classes=2), Path("net"))
    net = text_format.Parse(text.read_text(), schema.NetParameter())
    names = [layer.name for layer in net.layer]
    assert names[-4:] == ["pool3", "score_pool3", "upscore", "score"]


def test_the_text_documents_the_inputs(network):
    text, _ = write(network("nyud-fcn32s-color-d"), Path("net"))
    assert text.read_text().startswith(
        "# color: BGR, 0..255, minus 116.19, 97.203, 92.318\n"
        "# depth: the logarithm minus 7.844\n"
        'name: "vgg16 normalize=color:nyud_color,depth:nyud_depth"\n'
    )
    shapes = [
        list(layer.input_param.shape[0].dim)
        for layer in text_format.Parse(text.read_text(), schema.NetParameter()).layer
        if layer.type == "Input"
    ]
    assert shapes == [[1, 3, 500, 500], [1, 1, 500, 500]]


def opencvs(network, inputs, size):
    """The scores of OpenCV's reader of Caffe's files."""
    text, binary = write(network, Path("net"), size=size)
    net = cv2.dnn.readNetFromCaffe(str(text), str(binary))
    for name, value in inputs.items():
        net.setInput(value.numpy(), name)
    heads = network.description["num_classes"]
    names = [f"score_{head}" for head in heads] if isinstance(heads, dict) else ["score"]
    return [net.forward(name) for name in names]


@pytest.mark.parametrize("kind", NETWORKS)
def test_opencv_scores_as_we_do(network, kind):
    ours, size = network(kind), (97, 131)
    names = ours.description["normalize"]
    modalities = list(names) if isinstance(names, dict) else ["data"]
    channels = {name: 1 if name == "depth" else 3 for name in modalities}
    image = {name: torch.randint(1, 256, (1, n, *size)) for name, n in channels.items()}
    fusion = ours.description["fusion"]
    parts = {
        "early": lambda name: ours.normalize.modalities[name],
        "late": lambda name: ours.branches[name].normalize,
        None: lambda _: ours.normalize,
    }
    inputs = {name: parts[fusion](name)(value) for name, value in image.items()}
    with torch.no_grad():
        score = ours(image if fusion else image["data"])
    scores = list(score.values()) if isinstance(score, dict) else [score]
    for own, theirs in zip(scores, opencvs(ours, inputs, size), strict=True):
        own = own.numpy()
        assert own.shape[2:] == size
        assert own.std() > 0.01
        np.testing.assert_allclose(theirs, own, rtol=0, atol=1e-4)
        first, second = np.sort(own, axis=1)[:, -1], np.sort(own, axis=1)[:, -2]
        clear = first - second > 2e-4
        assert clear.mean() > 0.9
        assert (theirs.argmax(1) == own.argmax(1))[clear].all()


@pytest.mark.parametrize(
    ("head", "arguments"),
    [
        ({"skips": ("pool4",), "fuse": "max"}, {}),
        ({"last": "pool4"}, {}),
        ({}, {"pool5_stride": 1}),
    ],
)
def test_opencv_scores_the_variants_as_we_do(narrow, head, arguments):
    ours, size = narrow(head={"name": "skip", **head}, **arguments), (150, 131)
    image = torch.randint(0, 256, (1, 3, *size))
    with torch.no_grad():
        score = ours(image)
    (theirs,) = opencvs(ours, {"data": ours.normalize(image)}, size)
    largest = float(score.abs().max())
    assert largest > 1
    np.testing.assert_allclose(theirs, score, rtol=0, atol=1e-4 * largest)


def test_a_classifier_is_refused(narrow):
    with pytest.raises(ValueError, match="classifier") as error:
        write(narrow(head={"name": "classifier"}), Path("net"))
    assert str(error.value) == (
        "Only fully convolutional networks can be exported to Caffe; this is a classifier. Export "
        "an FCN that starts from it."
    )
    assert not list(Path().iterdir())


def test_scaled_images_are_refused(network):
    scaled = network("voc-fcn32s")
    scaled.image_scale = 2.0
    with pytest.raises(ValueError, match="image_scale") as error:
        write(scaled, Path("net"))
    assert str(error.value) == (
        "Only networks with `image_scale` 1 can be exported to Caffe, which does not scale images; "
        "this one has 2.0."
    )


def test_pooling_that_rounds_down_is_refused(network):
    floored = network("voc-fcn32s")
    floored.backbone.pool2.ceil_mode = False
    with pytest.raises(ValueError, match="ceil_mode") as error:
        write(floored, Path("net"))
    assert str(error.value) == (
        "Caffe's pooling rounds sizes up; `pool2` rounds them down. Set its `ceil_mode` to True."
    )


def test_a_layer_that_caffe_lacks_is_refused(network):
    other = network("voc-fcn32s")
    other.backbone.relu1_1 = nn.GELU()
    with pytest.raises(ValueError, match="GELU") as error:
        write(other, Path("net"))
    assert str(error.value) == (
        "Caffe has no layer for `relu1_1` (GELU). Export a network of the published layers."
    )


def test_a_crop_that_does_not_fit_is_refused():
    backbone = {"name": "googlenet", "padding": 100}
    with torch.device("meta"):
        net = build(backbone=backbone, head={"skips": ["pool3"]}, num_classes=2)
    with pytest.raises(ValueError, match="cannot crop") as error:
        write(net, Path("net"))
    assert re.fullmatch(
        r"Caffe cannot crop `score_pool3` to `upscore2`: for images of side \d+ it has \d+ pixels, "
        r"and 0 \+ \d+ are needed\. Pad the backbone as the reference does, or remove that skip\.",
        str(error.value),
    )


@pytest.mark.parametrize("there", ["net.prototxt", "net.caffemodel"])
def test_existing_files_are_kept(network, there):
    Path(there).write_text("mine")
    with pytest.raises(ValueError, match="overwrite") as error:
        write(network("voc-fcn32s"), Path("net"))
    assert str(error.value) == (f"{there} already exists. Replace it with --overwrite.")
    assert [path.name for path in Path().iterdir()] == [there]
    write(network("voc-fcn32s"), Path("net"), overwrite=True)
    assert sorted(path.name for path in Path().iterdir()) == ["net.caffemodel", "net.prototxt"]


def test_a_failed_export_leaves_nothing(network, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fcn_lightning.formats.caffe.writer._head", full)
    with pytest.raises(OSError, match="No space"):
        write(network("voc-fcn32s"), Path("net"))
    assert not list(Path().iterdir())
