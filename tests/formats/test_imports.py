"""The network of a `.caffemodel`, and the checkpoint that it becomes."""

from pathlib import Path

import numpy as np
import pytest
import torch

from fcn_lightning.formats import read_checkpoint, read_weights
from fcn_lightning.formats.caffe import schema
from fcn_lightning.formats.caffe.writer import write
from fcn_lightning.formats.imports import import_file
from fcn_lightning.models import Classifier, transplant

OUT = Path("net.ckpt")


def refusal(path, **options):
    """The error of an import that leaves no file."""
    before = sorted(Path().iterdir())
    with pytest.raises(ValueError, match=r"\w") as error:
        import_file(path, OUT, **options)
    assert sorted(Path().iterdir()) == before
    assert "\n" not in str(error.value)
    return str(error.value)


def of(*shape):
    return [torch.randn(shape) * 0.1, torch.randn(shape[0]) * 0.1]


def fcn(layers, classes=21, suffix="", kernel=7, channels=32):
    """A classifier's layers as an FCN-32s has them."""
    (fc6, b6), (fc7, b7) = layers["fc6"], layers["fc7"]
    return {name: blobs for name, blobs in layers.items() if name.startswith("conv")} | {
        "fc6": [fc6.view(64, channels, kernel, kernel), b6],
        "fc7": [fc7.view(64, 64, 1, 1), b7],
        f"score_fr{suffix}": of(classes, 64, 1, 1),
    }


# ---- the reference's own files


@pytest.mark.parametrize("model", ["voc-fcn8s", "voc-fcn-alexnet"])
def test_the_references_networks_give_the_same_scores(golden, shared, model):
    import_file(golden(model), OUT)
    checkpoint = read_checkpoint(OUT)
    expected = np.load(shared / "golden" / f"forward_{model}_narrow_97x131.npz")
    image = torch.from_numpy(expected["image_rgb"]).permute(2, 0, 1)[None]
    with torch.no_grad():
        score = checkpoint.network().eval()(image)[0].numpy()
    np.testing.assert_allclose(score, expected["score"], rtol=0, atol=5e-5)
    assert (score.argmax(0) == expected["argmax"]).all()
    assert (checkpoint.step, checkpoint.card.get("data")) == (0, None)


def test_the_references_fcn8s_is_described(golden):
    imported = import_file(golden("voc-fcn8s"), OUT)
    assert imported.description == {
        "backbone": {
            "name": "vgg16", "widths": [4, 8, 16, 32, 32], "fc_widths": [64, 64], "fc6_kernel": 7,
            "padding": 100, "dropout": 0.5,
        },
        "head": {"name": "skip", "skips": ["pool4", "pool3"], "upscore": "fixed"},
        "num_classes": 21,
        "normalize": "caffe",
        "fusion": None,
        "image_scale": 1.0,
    }  # fmt: skip
    assert str(imported.report) == (
        "36 copied, built as bilinear: upscore2, upscore_pool4, upscore8"
    )


# ---- classifiers


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("backbone", ["vgg", "caffenet"])
def test_a_classifier_is_convolutionalized(request, caffemodel, old, backbone):
    layers = request.getfixturevalue(backbone)
    imported = import_file(caffemodel(layers, old=old), OUT)
    assert imported.report.reshaped == ["fc6.weight", "fc7.weight"]
    assert imported.report.left_out == ["fc8.weight", "fc8.bias"]
    assert imported.report.missing == ["score_fr.weight", "score_fr.bias"]
    assert imported.description["num_classes"] == 21
    assert imported.description["normalize"] == "caffe"
    assert imported.description["backbone"]["padding"] == 100
    network = read_checkpoint(OUT).network()
    fc6 = network.backbone.fc6.weight
    assert torch.equal(fc6.flatten(1), layers["fc6"][0])
    assert not network.head.score_fr.weight.any()
    image = torch.randint(0, 256, (1, 3, 40, 50), dtype=torch.uint8)
    assert network.eval()(image).shape == (1, 21, 40, 50)


def test_a_convolutionalized_classifier_computes_what_it_did(caffemodel, vgg, narrow):
    import_file(caffemodel(vgg), OUT)
    backbone = read_checkpoint(OUT).network().backbone
    backbone.conv1_1.padding = (1, 1)
    theirs = narrow(head={"name": "classifier"}, padding="same", num_classes=1000)
    flat = {f"{n}.{k}": b for n, bs in vgg.items() for k, b in zip(("weight", "bias"), bs)}
    transplant(theirs, flat)
    assert isinstance(theirs, Classifier)
    image = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        x = theirs.features(image).flatten(1)
        expected = theirs.classifier[:5](x)
        found = backbone.eval()(image)["fc7"]
    assert found.shape == (1, 64, 1, 1)
    torch.testing.assert_close(found[:, :, 0, 0], expected, rtol=1e-4, atol=1e-5)


def test_reshaped_classifiers_need_no_reshaping(caffemodel, vgg):
    layers = fcn(vgg)
    del layers["score_fr"]
    imported = import_file(caffemodel(layers), OUT, classes=7)
    assert not imported.report.reshaped
    assert (imported.unscored, imported.description["num_classes"]) == (True, 7)


def test_googlenet_without_its_classifiers(caffemodel):
    layers = googlenet()
    imported = import_file(caffemodel(layers, old=True), OUT)
    assert imported.description["backbone"]["name"] == "googlenet"
    assert imported.description["backbone"]["padding"] == "same"
    assert imported.description["backbone"]["inceptions"][2] == [4, 4, 8, 2, 4, 4]
    left = {name.rpartition(".")[0] for name in imported.report.left_out}
    assert left == {name for name in layers if name.startswith("loss")}
    network = read_checkpoint(OUT).network()
    block = network.backbone.get_submodule("inception_4b").get_submodule("inception_4b/5x5")
    assert torch.equal(block.weight, layers["inception_4b/5x5"][0])


def googlenet():
    """The blobs of a narrow GoogLeNet as Caffe's model zoo has it."""
    layers = {
        "conv1/7x7_s2": of(4, 3, 7, 7),
        "conv2/3x3_reduce": of(4, 4, 1, 1),
        "conv2/3x3": of(8, 4, 3, 3),
    }
    channels = 8
    for block in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"):
        layers |= {
            f"inception_{block}/1x1": of(4, channels, 1, 1),
            f"inception_{block}/3x3_reduce": of(4, channels, 1, 1),
            f"inception_{block}/3x3": of(8, 4, 3, 3),
            f"inception_{block}/5x5_reduce": of(2, channels, 1, 1),
            f"inception_{block}/5x5": of(4, 2, 5, 5),
            f"inception_{block}/pool_proj": of(4, channels, 1, 1),
        }
        channels = 20
    for loss in ("loss1", "loss2"):
        layers |= {f"{loss}/conv": of(6, 20, 1, 1), f"{loss}/fc": of(5, 96)}
        layers |= {f"{loss}/classifier": of(1000, 5)}
    return layers | {"loss3/classifier": of(1000, 20)}


def test_an_imported_classifier_starts_other_classes(caffemodel, vgg, narrow):
    import_file(caffemodel(vgg), OUT)
    network = narrow(("pool4",), num_classes=5)
    report = transplant(network, read_weights(OUT, network))
    assert len(report.copied) == 30
    assert [name for name in report.missing if name.endswith("weight")] == [
        "score_fr.weight", "score_pool4.weight"
    ]  # fmt: skip
    assert not report.left_out
    assert torch.equal(network.backbone.conv4_2.weight, vgg["conv4_2"][0])


@pytest.mark.parametrize("name", ["network.head.score_fr.bias", "network.backbone.fc7.bias"])
def test_only_scoring_layers_may_be_missing_and_only_if_the_card_allows_it(caffemodel, vgg, name):
    import_file(caffemodel(vgg if "fc7" in name else fcn(vgg)), OUT)
    content = torch.load(OUT, weights_only=True)
    del content["state_dict"][name]
    torch.save(content, OUT)
    with pytest.raises(ValueError, match=f"has no `{name.removeprefix('network.')}`"):
        read_checkpoint(OUT).network()


# ---- what distinguishes networks


@pytest.mark.parametrize(
    ("classes", "normalize"),
    [(21, "caffe"), (60, "pascal_context"), (40, "nyud_color"), (2, "caffe")],
)
def test_classes_determine_the_normalization(caffemodel, vgg, classes, normalize):
    imported = import_file(caffemodel(fcn(vgg, classes)), OUT)
    assert imported.description["num_classes"] == classes
    assert imported.description["normalize"] == normalize


def test_hha_is_identified_by_the_data_layer(caffemodel, vgg):
    data = schema.LayerParameter(name="data", type="Python", top=["data", "label"])
    data.python_param.param_str = "{'tops': ['hha', 'label'], 'split': 'trainval', 'seed': 1337}"
    imported = import_file(caffemodel(fcn(vgg, 40), extra=[data]), OUT)
    assert imported.description["normalize"] == "nyud_hha"


def test_the_normalization_can_be_set(caffemodel, vgg):
    imported = import_file(caffemodel(fcn(vgg, 40)), OUT, normalize="nyud_hha")
    assert imported.description["normalize"] == "nyud_hha"


def test_early_fusion_is_identified_by_its_first_layer(caffemodel, vgg):
    layers = fcn(vgg, 40) | {"conv1_1_bgrd": of(4, 4, 3, 3)}
    del layers["conv1_1"]
    imported = import_file(caffemodel(layers), OUT)
    assert imported.description["fusion"] == "early"
    assert imported.description["normalize"] == {"color": "nyud_color", "depth": "nyud_depth"}


def test_late_fusion_is_identified_by_its_suffixes(caffemodel, vgg):
    layers = {f"{n}{m}": b for m in ("color", "hha") for n, b in fcn(vgg, 40).items()}
    imported = import_file(caffemodel(layers), OUT)
    assert imported.description["fusion"] == "late"
    assert imported.description["normalize"] == {"color": "nyud_color", "hha": "nyud_hha"}
    assert len(imported.report.copied) == 64


def test_two_heads_are_identified_by_their_suffixes(caffemodel, vgg):
    layers = fcn(vgg, 33, "_sem") | {"score_fr_geo": of(3, 64, 1, 1)}
    imported = import_file(caffemodel(layers), OUT)
    assert imported.description["num_classes"] == {"sem": 33, "geo": 3}
    assert imported.description["normalize"] == "siftflow"


def test_scales_are_read_from_their_layers(caffemodel, vgg):
    layers = fcn(vgg) | {
        "scale_pool4": [torch.full((32,), 0.01)],
        "scale_pool3": [torch.full((16,), 0.0001)],
        "score_pool4": of(21, 32, 1, 1),
        "score_pool3": of(21, 16, 1, 1),
    }
    types = {"scale_pool4": "Scale", "scale_pool3": "Scale"}
    imported = import_file(caffemodel(layers, types=types), OUT)
    assert imported.description["head"]["scales"] == [0.01, 0.0001]


def bilinear(classes, side):
    line = 1 - np.abs(np.arange(side) - (side - 1) / 2) / (side / 2)
    weight = torch.zeros(classes, classes, side, side)
    weight[range(classes), range(classes)] = torch.from_numpy(np.outer(line, line)).float()
    return weight


@pytest.mark.parametrize(("change", "upscore"), [(0, "fixed"), (1e-7, "fixed"), (1e-5, "all")])
def test_an_upscore_layer_is_bilinear_or_loaded(caffemodel, vgg, change, upscore):
    weight = bilinear(3, 64)
    weight[0, 1, 5, 5] += change
    layers = fcn(vgg, 3) | {"upscore": [weight]}
    imported = import_file(caffemodel(layers, types={"upscore": "Deconvolution"}), OUT)
    assert imported.description["head"]["upscore"] == upscore
    assert imported.report.built == (["upscore.weight"] if upscore == "fixed" else [])
    if upscore == "all":
        assert torch.equal(read_checkpoint(OUT).network().head.upscore.weight, weight)


# ---- refusals


def test_an_unknown_network(caffemodel):
    layers = {"conv1": of(4, 3, 7, 7), "res2a_branch1": of(4, 4, 1, 1)}
    path = caffemodel(layers)
    assert refusal(path) == (
        f"{path} is not VGG-16, VGG-19, CaffeNet, GoogLeNet or an FCN of one of them. Its "
        "layers with weights are conv1, res2a_branch1."
    )


def test_vgg19(caffemodel, vgg):
    path = caffemodel(vgg | {"conv3_4": of(16, 16, 3, 3)})
    assert refusal(path) == (
        f"{path} has the layer `conv3_4`, which is not part of a supported network. Its layers "
        "with weights are conv1_1, conv1_2, conv2_1, conv2_2, conv3_1, ... (17)."
    )


def test_bvlcs_alexnet(caffemodel, caffenet):
    norm = schema.LayerParameter(name="norm1", type="LRN", bottom=["conv1"], top=["norm1"])
    path = caffemodel(caffenet, extra=[norm])
    assert refusal(path) == (
        f"{path} is BVLC's AlexNet, which normalizes `conv1`; CaffeNet, from which the reference "
        "starts, normalizes `pool1`. Import bvlc_reference_caffenet."
    )


@pytest.mark.parametrize("missing", ["conv3_2", "fc7"])
def test_a_missing_layer(caffemodel, vgg, missing):
    del vgg[missing]
    path = caffemodel(vgg)
    assert refusal(path) == (
        f"{path} has no layer `{missing}`; it has conv1_1, conv1_2, conv2_1, conv2_2, conv3_1, ... "
        "(15). Import a file with all weights of the network."
    )


def test_a_missing_bias(caffemodel, vgg):
    vgg["conv3_2"] = vgg["conv3_2"][:1]
    path = caffemodel(vgg)
    assert refusal(path) == (
        f"{path} has no `conv3_2.bias`. Import a file with all weights of the network."
    )


def test_a_wrong_width(caffemodel, vgg):
    vgg["conv4_2"] = of(32, 24, 3, 3)
    path = caffemodel(vgg)
    assert refusal(path) == (
        f"{path}: `conv4_2.weight` has the shape (32, 24, 3, 3); the layers around it require "
        "(32, 32, 3, 3). Import a file of a published network."
    )


def test_a_wrong_bias(caffemodel, vgg):
    vgg["conv2_1"][1] = torch.zeros(9)
    path = caffemodel(vgg)
    assert "`conv2_1.bias` has the shape (9,); the layers around it require (8,)." in refusal(path)


def test_an_fc6_over_other_maps(caffemodel, caffenet):
    caffenet["fc6"] = of(64, 16 * 49)
    path = caffemodel(caffenet)
    assert refusal(path) == (
        f"{path}: `fc6.weight`: A fully connected layer over 16 maps of 6 x 6 must have 576 "
        "inputs; got 784."
    )


def test_a_kernel_of_another_size(caffemodel, vgg):
    path = caffemodel(
        fcn(vgg, 3) | {"upscore": [bilinear(3, 32)]}, types={"upscore": "Deconvolution"}
    )
    assert "the layers around it require (3, 3, 64, 64)." in refusal(path)


def test_scales_that_differ(caffemodel, vgg):
    layers = fcn(vgg) | {"scale_pool4": [torch.rand(32)], "score_pool4": of(21, 32, 1, 1)}
    path = caffemodel(layers, types={"scale_pool4": "Scale"})
    assert refusal(path) == (
        f"{path}: `scale_pool4` scales its channels by different values; at-once networks scale "
        "all of them by one constant. Import a file of a published network."
    )


def test_heads_of_other_backbones(caffemodel, vgg):
    path = caffemodel(fcn(vgg) | {"score_fr_geo": of(3, 64, 1, 1)})
    assert refusal(path) == (
        f"{path} has the scoring layers score_fr (21 classes), score_fr_geo (3 classes). Supported "
        "are one head, several heads on one backbone, and one head of the same classes for each "
        "modality."
    )


def test_unknown_modalities(caffemodel, vgg):
    layers = {f"{n}{m}": b for m in ("color", "lidar") for n, b in fcn(vgg, 40).items()}
    path = caffemodel(layers)
    assert refusal(path) == (
        f"{path} has the modalities color, lidar; supported are color, depth, hha."
    )


def test_a_network_of_no_width(caffemodel, caffenet):
    caffenet["conv5"] = [torch.zeros(0, 12, 3, 3), torch.zeros(0)]
    path = caffemodel(caffenet)
    assert refusal(path) == (
        f"{path}: `conv5.weight` has the shape (0, 12, 3, 3); expected two or four dimensions, "
        "none of them empty."
    )


def test_options_that_do_not_fit(caffemodel, vgg):
    path = caffemodel(fcn(vgg))
    assert refusal(path, classes=5) == (
        f"`classes` applies to classifiers; {path} has scoring layers (score_fr). Omit it."
    )
    assert refusal(path, at_once=True) == (
        f"`at_once` does not apply to {path}: a .caffemodel contains the layers that scale its "
        "skips. Omit it."
    )
    message = refusal(path, normalize="cafe")
    assert message.startswith("`normalize` must be one of caffe, pascal_context, siftflow, ")
    assert message.endswith("got 'cafe'. Did you mean 'caffe'?")
    layers = {f"{n}{m}": b for m in ("color", "hha") for n, b in fcn(vgg, 40).items()}
    path = caffemodel(layers)
    assert refusal(path, normalize="caffe") == (
        f"`normalize` applies to networks of one modality; {path} has color, hha. Omit it."
    )


def test_an_existing_checkpoint_is_kept(caffemodel, vgg):
    OUT.write_text("mine")
    assert refusal(caffemodel(vgg)) == ("net.ckpt already exists. Replace it with --overwrite.")
    import_file(Path("given.caffemodel"), OUT, overwrite=True)
    assert read_checkpoint(OUT).card["imported"] == "given.caffemodel"


def test_a_folder_that_is_missing(caffemodel, vgg):
    with pytest.raises(ValueError, match="folder") as error:
        import_file(caffemodel(vgg), Path("nowhere/net.ckpt"))
    assert str(error.value) == (
        "The folder of nowhere/net.ckpt does not exist. Create nowhere first."
    )


def test_a_failed_import_leaves_nothing(caffemodel, vgg, monkeypatch):
    path = caffemodel(vgg)

    def full(_, place):
        Path(place).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="No space"):
        import_file(path, OUT)
    assert list(Path.cwd().iterdir()) == [path]


@pytest.mark.parametrize(("kind", "loss"), [("voc-fcn-alexnet", "mean"), ("voc-fcn32s", "sum")])
def test_the_loss_is_the_references(kind, loss, network):
    write(network(kind), Path("theirs"), overwrite=False)
    import_file(Path("theirs.caffemodel"), OUT)
    assert read_checkpoint(OUT).card["loss"] == loss
