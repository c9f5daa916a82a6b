import math

import numpy as np
import pytest
import torch

from fcn_lightning.losses import balanced_weights, softmax_loss


def by_definition(score, label, reduction):
    """-log softmax of the label, image by image, in float64."""
    losses = []
    for one, truth in zip(score.double().numpy(), label.numpy(), strict=True):
        log_sum = np.log(np.exp(one).sum(0))
        valid = [(i, j) for i, j in np.ndindex(truth.shape) if truth[i, j] != 255]
        terms = [log_sum[i, j] - one[truth[i, j], i, j] for i, j in valid]
        losses.append(sum(terms) / (max(len(terms), 1) if reduction == "mean" else 1))
    return losses


@pytest.fixture
def batch():
    label = torch.randint(0, 5, (3, 4, 6), dtype=torch.uint8)
    label[0, :2] = 255
    label[1, 0, 0] = 255
    return torch.randn(3, 5, 4, 6) * 3, label


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
def test_loss_of_each_image_is_its_definition(batch, reduction, dtype):
    score, label = batch
    losses = softmax_loss(score, label.to(dtype), reduction)
    np.testing.assert_allclose(losses, by_definition(score, label, reduction), rtol=1e-5)


def test_on_paper():
    score = torch.zeros(1, 2, 1, 2)
    score[0, 1, 0, 0] = math.log(3)
    label = torch.tensor([[[1, 0]]], dtype=torch.uint8)
    terms = math.log(4 / 3) + math.log(2)
    assert softmax_loss(score, label, "sum").tolist() == pytest.approx([terms])
    assert softmax_loss(score, label, "mean").tolist() == pytest.approx([terms / 2])


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_an_image_of_void_has_no_loss_and_no_gradient(batch, reduction):
    score, label = batch
    label[1] = 255
    score.requires_grad_()
    losses = softmax_loss(score, label, reduction)
    losses.sum().backward()
    assert losses[1].item() == 0
    assert losses[0].item() > 0
    assert not score.grad[1].any()
    assert score.grad[2].any()


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_gradient_is_softmax_less_one_hot_at_valid_pixels(batch, reduction):
    score, label = batch
    score.requires_grad_()
    softmax_loss(score, label, reduction).mean().backward()
    valid = label != 255
    one_hot = torch.nn.functional.one_hot(label.long().clamp(max=4), 5).permute(0, 3, 1, 2)
    expected = (score.detach().softmax(1) - one_hot) * valid[:, None] / 3
    if reduction == "mean":
        expected /= valid.sum((1, 2))[:, None, None, None]
    torch.testing.assert_close(score.grad, expected, atol=1e-6, rtol=1e-5)


def test_a_batch_is_the_mean_of_its_images_not_of_its_pixels(batch):
    score, label = batch
    alone = [softmax_loss(s[None], one[None], "mean").item() for s, one in zip(*batch, strict=True)]
    assert softmax_loss(score, label, "mean").mean().item() == pytest.approx(np.mean(alone))
    pooled = torch.nn.functional.cross_entropy(score, label.long(), ignore_index=255).item()
    assert pooled != pytest.approx(np.mean(alone), rel=1e-3)


def test_first_loss_of_a_new_head_is_the_logarithm_of_the_classes():
    label = torch.zeros(1, 50, 37, dtype=torch.uint8)
    loss = softmax_loss(torch.zeros(1, 21, 50, 37), label, "sum").item()
    assert loss == pytest.approx(50 * 37 * 3.0445, rel=1e-4)


def test_half_precision_scores_are_summed_in_float32():
    score, label = torch.zeros(1, 21, 300, 300), torch.zeros(1, 300, 300, dtype=torch.uint8)
    loss = softmax_loss(score.bfloat16(), label, "sum")
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(90_000 * math.log(21), rel=1e-5)


def test_class_weights_on_paper():
    score = torch.zeros(1, 2, 1, 3)
    score[0, 1, 0, 0] = math.log(3)
    label = torch.tensor([[[1, 0, 255]]], dtype=torch.uint8)
    weights = torch.tensor([0.5, 2.0])
    terms = 2.0 * math.log(4 / 3) + 0.5 * math.log(2)
    assert softmax_loss(score, label, "sum", weights).tolist() == pytest.approx([terms])
    assert softmax_loss(score, label, "mean", weights).tolist() == pytest.approx([terms / 2])


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_weights_of_one_change_nothing(batch, reduction):
    plain = softmax_loss(*batch, reduction)
    torch.testing.assert_close(softmax_loss(*batch, reduction, torch.ones(5)), plain)


def test_balanced_weights_on_paper():
    """Of 12 pixels, 9 are of class 0 and 3 of class 2: each class has a share of 6."""
    weights = balanced_weights(np.array([9, 0, 3]))
    assert weights.tolist() == pytest.approx([6 / 9, 0, 6 / 3])
    assert float(weights @ torch.tensor([9.0, 0, 3])) / 12 == pytest.approx(1)
