import numpy as np
import pytest
import torch
from torch import nn

from fcn_lightning.models.surgery import bilinear_kernel, convolutionalize, transplant


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 2, 1)
        self.backbone = nn.ModuleDict({"fc6": nn.Conv2d(2, 3, 2)})


@pytest.mark.parametrize(
    ("size", "line"),
    [
        (1, [1]),
        (2, [0.5, 0.5]),
        (3, [0.5, 1, 0.5]),
        (4, [0.25, 0.75, 0.75, 0.25]),
        (5, [1 / 3, 2 / 3, 1, 2 / 3, 1 / 3]),
    ],
)
def test_small_bilinear_kernels(size, line):
    np.testing.assert_allclose(bilinear_kernel(size), np.outer(line, line), atol=1e-7)


def test_bilinear_kernels_are_the_references(shared):
    golden = np.load(shared / "golden" / "bilinear_kernels.npz")
    assert {"4", "16", "32", "63", "64"} <= set(golden)
    for size, kernel in golden.items():
        np.testing.assert_allclose(bilinear_kernel(int(size)), kernel, rtol=0, atol=1e-7)


@pytest.mark.parametrize("stride", [2, 8, 16, 32])
@pytest.mark.parametrize("odd", [0, 1])
def test_a_bilinear_kernel_sums_to_the_squared_stride(stride, odd):
    assert float(bilinear_kernel(2 * stride - odd).sum()) == pytest.approx(stride**2)


def test_a_convolutionalized_layer_computes_what_the_matrix_does():
    matrix, maps = torch.randn(5, 3 * 4 * 4), torch.randn(2, 3, 4, 4)
    weight = convolutionalize(matrix, channels=3, kernel=4)
    slid = nn.functional.conv2d(maps, weight)[:, :, 0, 0]
    np.testing.assert_allclose(slid, maps.flatten(1).numpy() @ matrix.numpy().T, atol=1e-5)


def test_convolutionalize_refuses_other_inputs():
    with pytest.raises(ValueError, match="fully connected") as error:
        convolutionalize(torch.zeros(5, 48), channels=3, kernel=5)
    assert str(error.value) == (
        "A fully connected layer over 3 maps of 5 x 5 must have 75 inputs; got 48."
    )


def test_transplant_copies_by_the_layers_own_name():
    target = Two()
    source = {
        "features.conv1.weight": torch.full((2, 1, 1, 1), 7.0),
        "conv1.bias": torch.tensor([1.0, 2.0]),
        "head.score.weight": torch.zeros(1),
    }
    start = target.backbone["fc6"].weight.detach().clone()
    report = transplant(target, source)
    assert target.conv1.weight.flatten().tolist() == [7, 7]
    assert target.conv1.bias.tolist() == [1, 2]
    assert torch.equal(target.backbone["fc6"].weight, start)
    assert report.copied == ["conv1.weight", "conv1.bias"]
    assert report.missing == ["fc6.weight", "fc6.bias"]
    assert report.left_out == ["score.weight"]
    assert str(report) == "2 copied, left as initialized: fc6, not used: score"


def test_transplant_reshapes_a_matrix():
    target, matrix = Two(), torch.arange(24.0).view(3, 8)
    report = transplant(target, {"classifier.fc6.weight": matrix})
    assert target.backbone["fc6"].weight.flatten().tolist() == list(range(24))
    assert str(report) == "0 copied, 1 reshaped (fc6), left as initialized: conv1, fc6"


def test_transplant_takes_half_precision():
    target = Two()
    transplant(target, {"conv1.bias": torch.tensor([0.5, 0.25], dtype=torch.float16)})
    assert target.conv1.bias.dtype == torch.float32
    assert target.conv1.bias.tolist() == [0.5, 0.25]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            {"fc6.bias": torch.zeros(4)},
            "`fc6.bias` must have the shape (3,); the weights have (4,). Choose the widths "
            "(`backbone.widths`, `backbone.fc_widths`, `backbone.fc6_kernel`) and classes that the "
            "weights were trained with.",
        ),
        (
            {"fc6.weight": torch.zeros(3, 18)},
            "`fc6.weight`: A fully connected layer over 2 maps of 2 x 2 must have 8 inputs; got "
            "18.",
        ),
        (
            {"fc6.bias": torch.tensor([0.0, float("nan"), 0.0])},
            "`fc6.bias` must be finite; the weights hold NaN or infinity.",
        ),
        (
            {"fc6.bias": torch.tensor([0.0, 0.0, -float("inf")])},
            "`fc6.bias` must be finite; the weights hold NaN or infinity.",
        ),
        (
            {"layer1.weight": torch.zeros(1)},
            "The weights have no layer in common with the network. The network has conv1, fc6; the "
            "weights have layer1.",
        ),
        (
            {},
            "The weights have no layer in common with the network. The network has conv1, fc6; the "
            "weights have no layers.",
        ),
    ],
)
def test_transplant_refuses(source, message):
    with pytest.raises(ValueError, match=r".") as error:
        transplant(Two(), source)
    assert str(error.value) == message


def test_a_refused_transplant_has_copied_nothing():
    target = Two()
    before = target.conv1.weight.detach().clone()
    source = {"conv1.weight": torch.ones(2, 1, 1, 1), "fc6.bias": torch.zeros(9)}
    with pytest.raises(ValueError, match="shape"):
        transplant(target, source)
    assert torch.equal(target.conv1.weight, before)
