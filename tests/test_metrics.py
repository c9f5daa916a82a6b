import math

import numpy as np
import pytest
import torch
from torchmetrics.classification import MulticlassJaccardIndex

from fcn_lightning.metrics import SegmentationScores, confusion_matrix, scores

CASES = ["all", "absent_gt_predicted", "absent_both"]


@pytest.fixture
def golden(shared):
    return np.load(shared / "golden" / "metrics.npz")


@pytest.mark.parametrize("case", CASES)
def test_histogram_is_the_references(golden, case):
    label, prediction = (torch.from_numpy(golden[f"{case}/{kind}"]) for kind in ("gt", "pred"))
    np.testing.assert_array_equal(confusion_matrix(prediction, label, 21), golden[f"{case}/hist"])


@pytest.mark.parametrize("case", CASES)
def test_scores_are_the_references(golden, case):
    metric = SegmentationScores(21)
    metric.update(torch.from_numpy(golden[f"{case}/pred"]), torch.from_numpy(golden[f"{case}/gt"]))
    ours = metric.compute()
    theirs = [float(golden[f"{case}/{name}"]) for name in ("overall", "mean_acc", "mean_iu")]
    theirs.append(float(golden[f"{case}/fwavacc"]))
    np.testing.assert_allclose(ours[:4], theirs, rtol=1e-12)
    np.testing.assert_allclose(ours.class_iu, golden[f"{case}/iu"], rtol=1e-12)


def test_two_by_two_on_paper():
    label, prediction = torch.tensor([[0, 0], [1, 255]]), torch.tensor([[0, 1], [1, 0]])
    confusion = confusion_matrix(prediction, label, 2)
    assert confusion.tolist() == [[1, 1], [0, 1]]
    result = scores(confusion)
    assert result.pixel_acc == pytest.approx(2 / 3)
    assert result.mean_acc == pytest.approx(3 / 4)
    assert result.class_iu.tolist() == [1 / 2, 1 / 2]
    assert result.mean_iu == result.fw_iu == pytest.approx(1 / 2)


def test_frequency_weighs_classes_by_their_labels():
    result = scores(torch.tensor([[6, 2], [0, 2]]))
    assert result.class_iu.tolist() == [6 / 8, 2 / 4]
    assert result.fw_iu == pytest.approx(0.8 * 0.75 + 0.2 * 0.5)
    assert result.mean_iu == pytest.approx(0.625)


def test_a_class_that_is_only_predicted_counts_as_zero():
    result = scores(torch.tensor([[3, 0, 1], [0, 4, 0], [0, 0, 0]]))
    assert result.class_iu.tolist() == [3 / 4, 1, 0]
    assert result.mean_iu == pytest.approx(1.75 / 3)
    assert result.mean_acc == pytest.approx(1.75 / 2)


def test_a_class_that_is_nowhere_is_left_out():
    result = scores(torch.tensor([[3, 1, 0], [0, 4, 0], [0, 0, 0]]))
    assert math.isnan(result.class_iu[2])
    assert result.mean_iu == pytest.approx((3 / 4 + 4 / 5) / 2)
    assert result.mean_acc == pytest.approx((3 / 4 + 1) / 2)


def test_nothing_but_void_has_no_scores():
    label = torch.full((2, 2), 255)
    result = scores(confusion_matrix(torch.zeros_like(label), label, 2))
    assert math.isnan(result.pixel_acc)
    assert math.isnan(result.mean_iu)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
def test_iu_is_torchmetrics_jaccard_index(dtype):
    reference = MulticlassJaccardIndex(6, average="none", ignore_index=255)
    metric = SegmentationScores(6)
    for _ in range(3):
        label = torch.randint(0, 6, (2, 9, 11)).to(dtype)
        prediction = torch.where(torch.rand(2, 9, 11) < 0.6, label.long(), label.long() * 5 % 6)
        label[:, :2] = 255
        metric.update(prediction, label)
        reference.update(prediction, label.long())
    result = metric.compute()
    np.testing.assert_allclose(result.class_iu, reference.compute(), rtol=1e-6)
    assert result.mean_iu == pytest.approx(float(reference.compute().mean()), rel=1e-6)


def test_images_are_pooled_before_the_scores_are_made():
    metric = SegmentationScores(2)
    metric.update(torch.tensor([[[0, 0]]]), torch.tensor([[[0, 1]]]))
    metric.update(torch.tensor([[[1, 1, 1, 1]]]), torch.tensor([[[1, 1, 1, 255]]]))
    assert metric.confusion.tolist() == [[1, 0], [1, 3]]
    assert metric.compute().mean_iu == pytest.approx((1 / 2 + 3 / 4) / 2)


def test_counts_beyond_float32_are_exact():
    metric = SegmentationScores(2)
    metric.confusion += torch.tensor([[2**24, 0], [0, 0]])
    metric.update(torch.tensor([[[0]]]), torch.tensor([[[0]]]))
    assert metric.confusion[0, 0] == 2**24 + 1


def test_reset_forgets():
    metric = SegmentationScores(2)
    metric.update(torch.tensor([[[0]]]), torch.tensor([[[1]]]))
    metric.reset()
    metric.update(torch.tensor([[[0]]]), torch.tensor([[[0]]]))
    assert metric.compute().pixel_acc == 1
