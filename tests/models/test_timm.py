"""Feature maps of timm's models: where they lie in the image, by the gradient of single pixels."""

from __future__ import annotations

import copy
from fractions import Fraction

import onnxruntime
import pytest
import timm
import torch
import torch.nn.functional as F
from torch import nn

from fcn_lightning.export import write_onnx
from fcn_lightning.formats.checkpoint import Checkpoint
from fcn_lightning.formats.identify import read_weights
from fcn_lightning.models import build, summarize, transplant
from fcn_lightning.models.backbones import timm_backbone
from fcn_lightning.models.backbones.timm_models import NORMALIZATIONS as NAMES
from fcn_lightning.models.backbones.timm_models import normalization_of
from fcn_lightning.models.normalize import NORMALIZATIONS
from fcn_lightning.models.tracing import trace

NARROW = {
    "resnet18": {"channels": [4, 4, 8, 8]},
    "resnet50": {"channels": [1, 1, 2, 2]},
    "convnext_tiny": {"dims": [4, 4, 8, 8]},
}
"""Few channels; the geometry does not depend on them."""

STRIDES = {"pool1": 2, "pool2": 4, "pool3": 8, "pool4": 16, "pool5": 32}

SHALLOW = {"model": "resnet18", "options": {"channels": [4, 4, 8, 8], "layers": [1, 1, 1, 1]}}


def measured(backbone, name, side):
    """Center of the gradient of one output pixel and its extent, with global gates held constant.

    Weights become positive and activations the identity, so that no gradient vanishes or cancels.
    """
    image = torch.ones(1, 3, side, side, dtype=torch.float64, requires_grad=True)
    maps = backbone(image)
    grid = backbone.endpoints[name].grid
    pixel = min(grid.inside(side), key=lambda i: abs(i - len(maps[name][0, 0]) // 2))
    (gradient,) = torch.autograd.grad(maps[name][0, :, pixel, pixel].sum(), image)
    reached = gradient[0].abs().sum((0, 2)).nonzero().flatten()
    first, last = int(reached[0]), int(reached[-1])
    return Fraction(first + last, 2), last - first + 1, pixel


class Constant(nn.Module):
    """A global gate that lets its input pass."""

    def forward(self, x):
        return x


def linear(backbone):
    """The backbone with the windows of its layers, and nothing else that it computes."""
    backbone = backbone.double().eval()
    for parent in list(backbone.modules()):
        for name, layer in list(parent.named_children()):
            kind = type(layer).__name__
            if kind in ("SqueezeExcite", "SEModule", "SqueezeExcitation"):
                setattr(parent, name, Constant())
            elif isinstance(layer, nn.MaxPool2d):
                pool = nn.AvgPool2d(layer.kernel_size, layer.stride, layer.padding, layer.ceil_mode)
                setattr(parent, name, pool)
            elif isinstance(layer, nn.BatchNorm2d | nn.LayerNorm):
                setattr(parent, name, nn.Identity())
            elif isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.constant_(layer.weight, 1 / layer.weight[0].numel())
            elif not [*layer.children(), *layer.parameters()] and kind != "AvgPool2d":
                setattr(parent, name, nn.Identity())
    return backbone


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("resnet18", "pool5"), ("resnet50", "pool4"), ("convnext_tiny", "pool3"),
        ("efficientnet_b0", "pool3"), ("mobilenetv3_small_050", "pool4"), ("regnety_002", "pool4"),
    ],
)  # fmt: skip
def test_offset_and_receptive_field_are_what_the_gradient_reaches(model, name):
    backbone = timm_backbone(model, options=NARROW.get(model, {}))
    endpoint = backbone.endpoints[name]
    names = list(backbone.endpoints)
    backbone.until(name)
    field = int(endpoint.grid.receptive_field)
    side = -(-(field + 3 * STRIDES[name]) // 32) * 32
    center, extent, pixel = measured(linear(backbone), name, side)
    assert center == endpoint.grid.offset + pixel * endpoint.grid.stride
    assert extent == field
    assert endpoint.grid.stride == STRIDES[name]
    assert names[-4:] == ["pool2", "pool3", "pool4", "pool5"]


@pytest.fixture(scope="module")
def fcn8s():
    torch.manual_seed(0)
    return build(
        backbone={"name": "timm", **SHALLOW},
        head={"skips": ["pool4", "pool3"]},
        num_classes=3,
        normalize="torchvision",
    )


def test_an_onnx_file_of_it_scores_images_of_any_size(fcn8s, unchecked, tmp_path):
    network = copy.deepcopy(fcn8s)
    for parameter in network.head.parameters():
        nn.init.normal_(parameter)
    write_onnx(network, tmp_path / "net.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    for size in ((1, 1), (33, 70), (64, 96)):
        image = torch.randint(256, (2, 3, *size), dtype=torch.uint8)
        (found,) = session.run(["score"], {"image": image.numpy()})
        with torch.no_grad():
            score = network(image)
        tolerance = 1e-4 * float(score.abs().max())
        torch.testing.assert_close(torch.from_numpy(found), score, rtol=0, atol=tolerance)


def test_a_network_on_timm_scores_images_of_any_size(fcn8s):
    for size in ((1, 1), (33, 70), (64, 96)):
        assert fcn8s.eval()(torch.zeros(2, 3, *size)).shape == (2, 3, *size)


def test_its_summary(fcn8s):
    lines = summarize(fcn8s).splitlines()
    assert lines[1].startswith("backbone         timm resnet18, ")
    assert lines[4].endswith("4 channels, stride  8, offset     0, receptive field  51")
    assert lines[-2].strip() == (
        "upscore8       15 x 15, factor 8, fixed, crops 7 rows and columns of its output"
    )


def test_a_checkpoint_rebuilds_it_alone(fcn8s, tmp_path):
    for name, value in fcn8s.named_buffers():
        if name.endswith("running_mean"):
            nn.init.normal_(value)
    card, path = Checkpoint.card_of(fcn8s), tmp_path / "net.ckpt"
    Checkpoint(path, card, fcn8s.state_dict(), step=0).save()
    weights = read_weights(path, fcn8s)
    again = Checkpoint(path, card, weights, step=0).network()
    image = torch.randint(0, 256, (1, 3, 40, 50), dtype=torch.uint8)
    assert torch.equal(again.eval()(image), fcn8s.eval()(image))


def test_statistics_are_transplanted_from_a_file_of_the_whole_model(fcn8s, tmp_path):
    whole = timm.create_model("resnet18", **SHALLOW["options"])
    for name, value in whole.named_buffers():
        if name.endswith("running_mean"):
            nn.init.normal_(value)
    torch.save(whole.state_dict(), tmp_path / "model.pth")
    from safetensors.torch import save_file

    save_file(whole.state_dict(), tmp_path / "model.safetensors")
    for file in ("model.pth", "model.safetensors"):
        network = build(**fcn8s.description)
        report = transplant(network, read_weights(tmp_path / file, network))
        assert report.missing[0] == "score_fr.weight"
        assert {name.partition(".")[0][:9] for name in report.missing} == {"score_fr", "score_poo"}
        x = torch.randn(1, 3, 64, 64)
        expected = whole.eval().forward_features(x)
        torch.testing.assert_close(network.eval().backbone(x)["pool5"], expected)


def test_names_that_timm_joins_are_found(tmp_path):
    options = {"dims": [4, 4, 8, 8], "depths": [1, 1, 1, 1]}
    whole = timm.create_model("convnext_tiny", **options)
    torch.save(whole.state_dict(), tmp_path / "model.pth")
    network = build(
        backbone={"name": "timm", "model": "convnext_tiny", "options": options},
        head={},
        num_classes=2,
        normalize="torchvision",
    )
    report = transplant(network, read_weights(tmp_path / "model.pth", network))
    assert report.missing == ["score_fr.weight", "score_fr.bias"]
    found = network.backbone.body.state_dict()["stages_1.downsample.1.weight"]
    assert torch.equal(found, whole.state_dict()["stages.1.downsample.1.weight"])


@pytest.mark.parametrize("choice", ["frozen", "trained"])
def test_statistics_are_frozen_or_trained(choice):
    backbone = timm_backbone(**SHALLOW, batch_norm=choice).train()
    reference = timm.create_model("resnet18", features_only=True, **SHALLOW["options"])
    reference.load_state_dict(backbone.body.state_dict())
    reference.train(choice == "trained")
    x = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(backbone(x)["pool5"], reference(x)[-1])
    moved = backbone.body.bn1.running_mean
    assert bool(moved.any()) == (choice == "trained")
    torch.testing.assert_close(moved, reference.bn1.running_mean)


def test_statistics_of_fixed_layers_are_frozen():
    backbone = timm_backbone(**SHALLOW, batch_norm="trained").train()
    backbone.body.bn1.requires_grad_(False)
    backbone(torch.randn(2, 3, 64, 64))
    assert not backbone.body.bn1.running_mean.any()
    assert backbone.body.layer1[0].bn1.running_mean.any()


def test_a_stage_starts_from_the_stage_before_it(fcn8s):
    coarse = build(**{**fcn8s.description, "head": {}})
    report = transplant(fcn8s, coarse.state_dict())
    assert {name.partition(".")[0] for name in report.missing} == {"score_pool4", "score_pool3"}
    own, other = fcn8s.backbone.state_dict(), coarse.backbone.state_dict()
    assert all(torch.equal(own[name], other[name]) for name in own)


@pytest.mark.parametrize(
    ("model", "parts"),
    [
        (
            "resnet18d",
            ["`layer2.0` (BasicBlock) combines branches", "offset 0 and stride 8; offset 2"],
        ),
        ("coatnet_0_rw_224", ["`stages_2.blocks.0.attn` (Attention2d)", "as attention does"]),
        ("tf_efficientnet_b0", ["`conv_stem` (Conv2dSame)", "TensorFlow's 'same'"]),
        ("hrnet_w18_small", ["(Upsample) moves pixels"]),
        ("test_vit", ["takes pixels apart"]),
        ("botnet26t_256", ["does not take images of any size"]),
        ("resnet_18", ["has no model 'resnet_18'. Did you mean"]),
    ],
)
def test_models_without_a_fixed_grid_are_refused_by_name(model, parts):
    with pytest.raises(ValueError, match=r"\w") as error:
        timm_backbone(model)
    assert all(part in str(error.value) for part in parts), str(error.value)


def test_other_wrong_arguments_are_refused():
    with pytest.raises(
        ValueError, match=r"^`batch_norm` must be one of frozen, trained; got 'off'"
    ):
        timm_backbone(**SHALLOW, batch_norm="off")
    with pytest.raises(ValueError, match="fusion=late does not support"):
        timm_backbone(**SHALLOW, suffix="color")
    with pytest.raises(ValueError, match="head=classifier needs a backbone whose layers"):
        build(backbone={"name": "timm", **SHALLOW}, head={"name": "classifier"}, num_classes=2)


def test_dilation_makes_the_stride_smaller():
    backbone = timm_backbone(**SHALLOW, output_stride=16)
    grids = {name: endpoint.grid for name, endpoint in backbone.endpoints.items()}
    assert {name: int(grid.stride) for name, grid in grids.items()} == {
        "pool1": 2, "pool2": 4, "pool3": 8, "pool4": 16
    }  # fmt: skip
    assert backbone(torch.zeros(1, 3, 32, 32))["pool4"].shape == (1, 8, 2, 2)


def test_normalizations_are_those_of_timm():
    for (mean, std), name in NAMES.items():
        ours = NORMALIZATIONS[name]
        assert ours.mean == pytest.approx([255 * m for m in mean], abs=1e-6)
        scale = ours.scale * (3 // len(ours.scale))
        assert scale == pytest.approx([255 * s for s in std], abs=1e-6)
    assert normalization_of("resnet50") == "torchvision"
    assert normalization_of("mixer_b16_224.goog_in21k") == "inception"


class Branches(nn.Module):
    """Two ways to halve a map: by a convolution, and by the mean of two pixels."""

    def __init__(self, kernel, pad):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, kernel, 2, pad)

    def forward(self, image):
        x = self.conv(image)
        y = F.avg_pool2d(image, 2)
        gate = torch.sigmoid(y.mean((2, 3), keepdim=True)).repeat(1, 2, 1, 1)[:, :4]
        return {"half": torch.cat([x * gate, y], 1)}


def test_branches_must_agree():
    traced = trace(Branches(4, 1))
    endpoint = traced.endpoints["half"]
    assert (endpoint.channels, endpoint.grid.offset) == (7, Fraction(1, 2))
    assert (endpoint.grid.stride, endpoint.grid.receptive_field) == (2, 4)
    assert traced.has_global_gates
    with pytest.raises(ValueError, match=r"^Branches combines branches") as error:
        trace(Branches(3, 1))
    assert "along h, offset 0 and stride 2; offset 1/2 and stride 2" in str(error.value)
