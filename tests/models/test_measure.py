"""Expected values are those that Table 1 of CVPR 2015 prints."""

import pytest
import torch

from fcn_lightning.models import fcn8s, fcn16s, fcn32s, fcn_alexnet, fcn_googlenet
from fcn_lightning.models.measure import Measured, measure


@pytest.mark.parametrize(
    ("network", "convolutions", "millions", "field", "stride"),
    [
        (fcn_alexnet, 8, 57, 355, 32),
        (fcn32s, 16, 134, 404, 32),
        (fcn_googlenet, 22, 6, 907, 32),
    ],
)
def test_table_1(network, convolutions, millions, field, stride):
    with torch.device("meta"):
        measured = measure(network(num_classes=21))
    assert (
        measured.num_convolutions,
        round(measured.num_parameters / 1e6),
        measured.classifier_receptive_field,
        measured.max_stride,
    ) == (convolutions, millions, field, stride)


def test_googlenet_without_the_average_pooling_that_the_paper_discards():
    with torch.device("meta"):
        assert measure(fcn_googlenet()).receptive_field == 715


@pytest.mark.parametrize("network", [fcn16s, fcn8s])
def test_skips_lengthen_no_path(network):
    """134,357,354 and 134,362,751 parameters: arithmetic of the reference's layers."""
    count = {fcn16s: 134_357_354, fcn8s: 134_362_751}[network]
    with torch.device("meta"):
        assert measure(network()) == Measured(16, count, 404, 404, 32)


def test_a_learned_upscore_counts_as_parameters(narrow):
    fixed = measure(narrow(("pool4",)))
    learned = measure(narrow(("pool4",), head={"skips": ("pool4",), "upscore": "learned"}))
    assert learned.num_parameters - fixed.num_parameters == 21 * 21 * 4 * 4
    assert learned.num_convolutions == fixed.num_convolutions == 16
