"""The parameters of a `.caffemodel`'s layers, and those of the network that it becomes."""

import re
from pathlib import Path

import numpy as np
import pytest

from fcn_lightning.formats import read_checkpoint
from fcn_lightning.formats.caffe import schema
from fcn_lightning.formats.caffe.writer import write
from fcn_lightning.formats.imports import import_file

OUT = Path("net.ckpt")
CONV, POOL, LRN, SUM = "convolution_param", "pooling_param", "lrn_param", "eltwise_param"
BOTH, ALEXNET, GOOGLENET = "nyud-fcn32s-color-hha", "voc-fcn-alexnet", "voc-fcn-googlenet"

SPOILED = [
    ("voc-fcn8s", "pool4", POOL, {"stride": 1}, "stride 2", "stride 1"),
    ("voc-fcn8s", "pool4", POOL, {"stride": None}, "stride 2", "stride 1"),
    ("voc-fcn8s", "pool4", POOL, {"stride_h": 2, "stride_w": 1}, "stride 2", "stride 2 and 1"),
    ("voc-fcn8s", "pool3", POOL, {"kernel_size": 3}, "kernel_size 2", "kernel_size 3"),
    ("voc-fcn8s", "pool5", POOL, {"pool": "AVE"}, "pool MAX", "pool AVE"),
    ("voc-fcn8s", "pool5", POOL, {"pool": "STOCHASTIC"}, "pool MAX", "pool STOCHASTIC"),
    ("voc-fcn8s", "pool5", POOL, {"pad_h": 1, "pad_w": 1}, "pad 0", "pad 1"),
    (
        "voc-fcn8s", "pool5", POOL, {"global_pooling": True, "kernel_size": None},
        "global_pooling false", "global_pooling true",
    ),
    ("voc-fcn8s", "pool1", POOL, {"round_mode": "FLOOR"}, "round_mode CEIL", "round_mode FLOOR"),
    (GOOGLENET, "inception_3a/pool", POOL, {"pad": None}, "pad 1", "pad 0"),
    (
        "voc-fcn8s", "conv5_1", CONV, {"dilation": [2], "pad": [2]},
        "pad 1, dilation 1", "pad 2, dilation 2",
    ),
    ("voc-fcn8s", "conv1_1", CONV, {"pad": [50]}, "pad 100", "pad 50"),
    ("nyud-fcn32s-color-d", "conv1_1_bgrd", CONV, {"pad": [50]}, "pad 100", "pad 50"),
    (
        "voc-fcn8s", "conv4_2", CONV, {"kernel_size": None, "kernel_h": 3, "kernel_w": 5},
        "kernel_size 3", "kernel_size 3 and 5",
    ),
    ("voc-fcn8s", "conv3_1", CONV, {"stride": [2]}, "stride 1", "stride 2"),
    (ALEXNET, "conv2", CONV, {"group": None}, "group 2", "group 1"),
    ("voc-fcn8s", "fc6", CONV, {"pad": [3]}, "pad 0", "pad 3"),
    ("same", "fc6", CONV, {"pad": None}, "pad 1", "pad 0"),
    ("voc-fcn8s", "score_pool4", CONV, {"pad": [1]}, "pad 0", "pad 1"),
    ("voc-fcn8s", "score_fr", CONV, {"bias_term": False}, "bias_term true", "bias_term false"),
    ("siftflow-fcn8s", "score_pool3_geo", CONV, {"pad": [1]}, "pad 0", "pad 1"),
    ("voc-fcn8s", "upscore8", CONV, {"stride": [4]}, "stride 8", "stride 4"),
    ("voc-fcn8s", "upscore2", CONV, {"group": 21}, "group 1", "group 21"),
    ("all", "upscore", CONV, {"pad": [16]}, "pad 0", "pad 16"),
    (BOTH, "conv5_3hha", CONV, {"dilation": [2]}, "dilation 1", "dilation 2"),
    (ALEXNET, "norm1", LRN, {"alpha": 5e-4}, "alpha 0.0001", "alpha 0.0005"),
    (ALEXNET, "norm1", LRN, {"alpha": None}, "alpha 0.0001", "alpha 1"),
    (ALEXNET, "norm2", LRN, {"beta": 0.5, "k": 2.0}, "beta 0.75, k 1", "beta 0.5, k 2"),
    (ALEXNET, "norm2", LRN, {"local_size": 3}, "local_size 5", "local_size 3"),
    (
        GOOGLENET, "pool1/norm1", LRN, {"norm_region": "WITHIN_CHANNEL"},
        "norm_region ACROSS_CHANNELS", "norm_region WITHIN_CHANNEL",
    ),
    ("voc-fcn8s", "fuse_pool4", SUM, {"operation": "MAX"}, "operation SUM", "operation MAX"),
    ("voc-fcn8s", "fuse_pool3", SUM, {"coeff": [1, 0.5]}, "coeff 1", "coeff 1 and 0.5"),
    (BOTH, "score_fused", SUM, {"coeff": None}, "coeff 0.5", "coeff 1"),
    ("voc-fcn8s", "score_pool4c", "crop_param", {"offset": [4]}, "offset 5", "offset 4"),
    ("voc-fcn8s", "score", "crop_param", {"offset": [31, 30]}, "offset 31", "offset 31 and 30"),
    (BOTH, "score", "crop_param", {"offset": [34]}, "offset 19", "offset 34"),
    (
        "voc-fcn8s", "relu1_1", "relu_param", {"negative_slope": 0.1},
        "negative_slope 0", "negative_slope 0.1",
    ),
    (GOOGLENET, "inception_5b/output", "concat_param", {"axis": 0}, "axis 1", "axis 0"),
]  # fmt: skip
"""Network, layer, its message, the fields set in it (None: unset), expected and given values."""


def refusal(path):
    with pytest.raises(ValueError, match=r"differ\.|rates|valid") as error:
        import_file(path, OUT)
    assert not OUT.exists()
    return str(error.value)


def changed(path, name, param, values):
    """The file with other values of a layer's parameters."""
    content = schema.NetParameter.FromString(path.read_bytes())
    (layer,) = [layer for layer in content.layer if layer.name == name]
    own = getattr(layer, param)
    own.SetInParent()
    for field, value in values.items():
        own.ClearField(field)
        if value is not None:
            own.MergeFrom(type(own)(**{field: value}))
    path.write_bytes(content.SerializeToString())
    return path


def of_layer(name, kind, **parameters):
    return schema.LayerParameter(name=name, type=kind, **parameters)


def old_layer(name, kind, field, message):
    """A layer of the old format on the wire; the number of its parameters' field is above 15."""
    tag = bytes([(field << 3 | 2) & 0x7F | 0x80, field >> 4])
    own = b"\x22" + bytes([len(name)]) + name + b"\x28" + bytes([kind])
    own += tag + bytes([len(message)]) + message
    return b"\x12" + bytes([len(own)]) + own


# ---- differences are refused


@pytest.mark.parametrize(("kind", "layer", "param", "values", "must", "has"), SPOILED)
def test_another_parameter(network, kind, layer, param, values, must, has):
    _, path = write(network(kind), Path("theirs"))
    assert refusal(changed(path, layer, param, values)) == (
        f"theirs.caffemodel: `{layer}` has {has}; the network that it is imported as has {must}. "
        "Their scores would differ."
    )


def test_another_type(caffemodel, vgg):
    path = caffemodel(vgg, extra=[of_layer("relu3_2", "ELU")])
    assert refusal(path) == (
        f"{path}: `relu3_2` has type ELU; the network that it is imported as has type ReLU. Their "
        "scores would differ."
    )


@pytest.mark.parametrize(
    ("name", "kind", "field", "message", "must", "has"),
    [
        # pool: MAX, kernel_size: 2, stride: 1
        (b"pool4", 17, 19, b"\x08\x00\x10\x02\x18\x01", "stride 2", "stride 1"),
        # pool: AVE, kernel_size: 2, stride: 2
        (b"pool4", 17, 19, b"\x08\x01\x10\x02\x18\x02", "pool MAX", "pool AVE"),
        # negative_slope: 0.5
        (b"relu6", 18, 30, b"\x0d\x00\x00\x00\x3f", "negative_slope 0", "negative_slope 0.5"),
    ],
)
def test_another_parameter_in_the_old_format(
    caffemodel, vgg, name, kind, field, message, must, has
):
    path = caffemodel(vgg, old=True)
    path.write_bytes(path.read_bytes() + old_layer(name, kind, field, message))
    assert refusal(path) == (
        f"{path}: `{name.decode()}` has {has}; the network that it is imported as has {must}. "
        "Their scores would differ."
    )


def test_another_normalization_in_the_old_format(caffemodel, caffenet):
    path = caffemodel(caffenet, old=True)
    message = b"\x08\x05\x15" + np.float32(2e-4).tobytes() + b"\x1d" + np.float32(0.75).tobytes()
    path.write_bytes(path.read_bytes() + old_layer(b"norm2", 15, 18, message))
    assert (
        "`norm2` has alpha 0.0002; the network that it is imported as has alpha 0.0001."
    ) in refusal(path)


def test_dilation_is_the_18th_field_of_a_convolution(caffemodel, vgg):
    path = caffemodel(vgg)
    dilated = b"\x08\x20\x18\x01\x20\x03\x90\x01\x02"  # num_output 32, pad 1, kernel_size 3
    layer = b"\x0a\x07conv5_1\x12\x0bConvolution\xd2\x06" + bytes([len(dilated)]) + dilated
    path.write_bytes(path.read_bytes() + b"\xa2\x06" + bytes([len(layer)]) + layer)
    assert (
        "`conv5_1` has dilation 2; the network that it is imported as has dilation 1."
    ) in refusal(path)


def test_a_classifiers_pooling_is_compared(caffemodel, vgg):
    pool = of_layer("pool5", "Pooling", pooling_param={"kernel_size": 3, "stride": 1, "pad": 1})
    path = caffemodel(vgg, extra=[pool])
    assert refusal(path) == (
        f"{path}: `pool5` has kernel_size 3, stride 1, pad 1; the network that it is imported as "
        "has kernel_size 2, stride 2, pad 0. Their scores would differ."
    )


# ---- equal and missing parameters are imported


@pytest.mark.parametrize(
    ("layer", "param", "values"),
    [
        ("pool4", POOL, {"stride": None, "stride_h": 2, "stride_w": 2}),
        ("pool4", POOL, {"pool": None, "pad": 0, "round_mode": "CEIL"}),
        ("conv5_1", CONV, {"pad": [1, 1], "stride": [1], "dilation": [1, 1], "group": 1}),
        ("conv5_1", CONV, {"pad": None, "pad_h": 1, "pad_w": 1}),
        ("fuse_pool4", SUM, {"operation": None, "coeff": [1, 1]}),
        ("score", "crop_param", {"axis": None, "offset": [31, 31]}),
        ("relu1_1", "relu_param", {}),
    ],
)
def test_the_same_in_other_words(network, layer, param, values):
    _, path = write(network("voc-fcn8s"), Path("theirs"))
    import_file(changed(path, layer, param, values), OUT)
    assert OUT.exists()


def test_layers_without_parameters(caffemodel, vgg):
    extra = [of_layer("pool4", "Pooling"), of_layer("drop6", "Dropout"), of_layer("relu1_1", "")]
    imported = import_file(caffemodel(vgg, extra=extra), OUT)
    assert "dropout" not in imported.description["backbone"]


def test_the_data_layer_is_not_compared(caffemodel, vgg):
    layers = {name: blobs for name, blobs in vgg.items() if name != "conv1_1"}
    layers["conv1_1_bgrd"] = [vgg["conv1_1"][0][:, [0, 1, 2, 0]], vgg["conv1_1"][1]]
    data = of_layer("data", "Python", python_param={"param_str": "{}"})
    assert import_file(caffemodel(layers, extra=[data]), OUT).description["fusion"] == "early"


@pytest.mark.parametrize("pad", [0, 1, 50, 100])
def test_the_padding_of_a_classifiers_first_layer_is_ignored(caffemodel, vgg, pad):
    own = {"num_output": 4, "kernel_size": [3], "pad": [pad]}
    path = changed(caffemodel(vgg), "conv1_1", CONV, own)
    assert import_file(path, OUT).description["backbone"]["padding"] == 100


def test_a_classifiers_other_layers_are_not_compared(caffemodel, vgg):
    extra = [
        of_layer("data", "Data"),
        of_layer("pool6", "Pooling", pooling_param={"pool": "AVE", "global_pooling": True}),
        of_layer("loss", "SoftmaxWithLoss"),
    ]
    assert import_file(caffemodel(vgg, extra=extra), OUT).unscored


# ---- dropout


def dropping(**rates):
    return [
        of_layer(name, "Dropout", dropout_param={} if rate is None else {"dropout_ratio": rate})
        for name, rate in rates.items()
    ]


@pytest.mark.parametrize(("rate", "expected"), [(0.3, 0.3), (0.9, 0.9), (None, 0.5)])
def test_dropout_is_read(caffemodel, vgg, rate, expected):
    path = caffemodel(vgg, extra=dropping(drop6=rate, drop7=rate))
    assert import_file(path, OUT).description["backbone"]["dropout"] == expected
    backbone = read_checkpoint(OUT).network().backbone
    assert (backbone.drop6.p, backbone.drop7.p) == (expected, expected)


def test_dropout_is_read_in_the_old_format(caffemodel, caffenet):
    path = caffemodel(caffenet, old=True)
    own = b"\x22\x05drop7\x28\x06\x62\x05\x0d" + np.float32(0.2).tobytes()
    path.write_bytes(path.read_bytes() + b"\x12" + bytes([len(own)]) + own)
    assert import_file(path, OUT).description["backbone"]["dropout"] == 0.2


def test_dropout_of_googlenets_other_classifiers_is_not_read(network):
    _, path = write(network(GOOGLENET), Path("theirs"))
    rates = {"loss1/drop_fc": 0.7, "pool5/drop_7x7_s1": 0.35, "loss2/drop_fc": 0.7}
    more = schema.NetParameter(layer=dropping(**rates)).SerializeToString()
    path.write_bytes(path.read_bytes() + more)
    assert import_file(path, OUT).description["backbone"]["dropout"] == 0.35


def test_two_rates_of_dropout(caffemodel, vgg):
    path = caffemodel(vgg, extra=dropping(drop6=0.5, drop7=0.3))
    assert refusal(path) == (
        f"{path} has different dropout rates: 0.5 in `drop6`, 0.3 in `drop7`. Supported networks "
        "have the same rate in all layers."
    )


def test_two_rates_of_dropout_in_two_backbones(network):
    _, path = write(network(BOTH), Path("theirs"))
    more = schema.NetParameter(layer=dropping(drop6color=0.5, drop6hha=0.4)).SerializeToString()
    path.write_bytes(path.read_bytes() + more)
    assert "different dropout rates: 0.5 in `drop6color`, 0.4 in `drop6hha`." in refusal(path)


def test_an_invalid_rate_of_dropout(caffemodel, vgg):
    path = caffemodel(vgg, extra=dropping(drop6=1.0, drop7=1.0))
    assert re.fullmatch(
        rf"{path} is not of a valid network: `dropout` must be .*; got 1\.0\.", refusal(path)
    )
