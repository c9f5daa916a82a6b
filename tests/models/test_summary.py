"""Expected values are typed in: REFERENCE's crops and kernels, receptive fields counted by hand."""

import torch

from fcn_lightning.models import fcn8s_at_once, fcn_googlenet, summarize

VGG16_ENDPOINTS = """\
  pool1            4 channels, stride  2, offset -98.5, receptive field   6
  pool2            8 channels, stride  4, offset -97.5, receptive field  16
  pool3           16 channels, stride  8, offset -95.5, receptive field  44
  pool4           32 channels, stride 16, offset -91.5, receptive field 100
  pool5           32 channels, stride 32, offset -83.5, receptive field 212
  fc7             64 channels, stride 32, offset  12.5, receptive field 404
"""


def test_fcn16s(narrow):
    assert summarize(narrow(("pool4",))) == (
        "input          BGR, minus (104.00699, 116.66877, 122.67892)\n"
        "backbone       vgg16, 162,404 parameters, smallest input 1 x 1\n"
        f"{VGG16_ENDPOINTS}"
        "head           21 classes, 2,058 parameters\n"
        "  score_fr     1 x 1 on fc7\n"
        "  upscore2     4 x 4, factor 2, fixed, crops 5 rows and columns of score_pool4\n"
        "  score_pool4  1 x 1 on pool4\n"
        "  upscore16    32 x 32, factor 16, fixed, crops 27 rows and columns of its output\n"
        "parameters     164,462"
    )


def test_the_skips_of_at_once_are_scaled():
    with torch.device("meta"):
        lines = summarize(fcn8s_at_once()).splitlines()
    assert lines[-7:] == [
        "  score_fr       1 x 1 on fc7",
        "  upscore2       4 x 4, factor 2, fixed, crops 5 rows and columns of score_pool4",
        "  score_pool4    1 x 1 on pool4 times 0.01",
        "  upscore_pool4  4 x 4, factor 2, fixed, crops 9 rows and columns of score_pool3",
        "  score_pool3    1 x 1 on pool3 times 0.0001",
        "  upscore8       16 x 16, factor 8, fixed, crops 31 rows and columns of its output",
        "parameters       134,362,751",
    ]


def test_each_head_is_listed(narrow):
    network = narrow(
        num_classes={"sem": 33, "geo": 3},
        head={"name": "skip", "skips": ("pool4",), "upscore": "learned"},
    )
    lines = summarize(network).splitlines()
    assert lines[8:] == [
        "head sem           33 classes, 20,658 parameters",
        "  score_fr_sem     1 x 1 on fc7",
        "  upscore2_sem     4 x 4, factor 2, learned, crops 5 rows and columns of score_pool4_sem",
        "  score_pool4_sem  1 x 1 on pool4",
        "  upscore16_sem    32 x 32, factor 16, fixed, crops 27 rows and columns of its output",
        "head geo           3 classes, 438 parameters",
        "  score_fr_geo     1 x 1 on fc7",
        "  upscore2_geo     4 x 4, factor 2, learned, crops 5 rows and columns of score_pool4_geo",
        "  score_pool4_geo  1 x 1 on pool4",
        "  upscore16_geo    32 x 32, factor 16, fixed, crops 27 rows and columns of its output",
        "parameters         183,500",
    ]


def test_late_fusion_lists_each_branch_and_one_upscore(narrow):
    network = narrow(
        ("pool4",),
        num_classes=40,
        normalize={"color": "nyud_color", "hha": "nyud_hha"},
        fusion="late",
    )
    lines = summarize(network).splitlines()
    assert len(lines) == 2 * 13 + 3
    assert lines[0] == "branch color"
    assert lines[1].split(maxsplit=1) == ["input", "BGR, minus (116.19, 97.203, 92.318)"]
    assert " ".join(lines[8].split()) == (
        "fc7 64 channels, stride 32, offset 12.5, receptive field 404"
    )
    assert [line.split()[0] for line in lines[10:13]] == [
        "score_frcolor", "upscore2color", "score_pool4color"
    ]  # fmt: skip
    assert lines[13] == "branch hha"
    assert lines[14].split(maxsplit=1) == [
        "input",
        "channels as stored, minus (132.431, 94.076, 118.477)",
    ]
    assert lines[-3:] == [
        "score_fused           mean of the branches' scores",
        "upscore16color        32 x 32, factor 16, fixed, crops 27 rows and columns of its output",
        "parameters            332,648",
    ]


def test_early_fusion_lists_each_input(narrow):
    normalize = {"color": "nyud_color", "depth": "nyud_depth"}
    lines = summarize(narrow(normalize=normalize, fusion="early")).splitlines()
    assert lines[:3] == [
        "input color  BGR, minus (116.19, 97.203, 92.318)",
        "input depth  channels as stored, logarithm, minus (7.844)",
        "backbone     vgg16, 162,440 parameters, smallest input 1 x 1",
    ]


def test_classifier(narrow):
    network = narrow(
        head={"name": "classifier"}, padding="same", fc6_kernel=3, normalize="torchvision"
    )
    assert summarize(network) == (
        "input       channels as stored, minus (123.675, 116.28, 103.53), divided by "
        "(58.395, 57.12, 57.375)\n"
        "classifier  vgg16\n"
        "  features  conv1_1 to pool5\n"
        "  fc6       288 to 64 values\n"
        "  fc7       64 to 64 values\n"
        "  fc8       64 to 21 values\n"
        "parameters  81,849"
    )


def test_a_scaled_image_is_named(narrow):
    network = narrow()
    network.image_scale = 0.64
    assert summarize(network).splitlines()[1].strip() == "scaled by 0.64, scores scaled back"


def test_a_crop_of_one():
    with torch.device("meta"):
        lines = summarize(fcn_googlenet()).splitlines()
    assert (
        lines[1].split(maxsplit=1)[1] == "googlenet, 5,973,552 parameters, smallest input 31 x 31"
    )
    assert lines[6].split(", ")[-1] == "receptive field 715"
    assert lines[-2] == (
        "  upscore       63 x 63, factor 32, fixed, crops 1 row and column of its output"
    )


def test_a_network_that_is_put_together_by_hand(narrow):
    network = narrow()
    del network.description
    assert summarize(network).splitlines()[1] == (
        "backbone    162,404 parameters, smallest input 1 x 1"
    )
