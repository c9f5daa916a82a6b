"""Maps that are computed again in the backward pass: the same gradients, with less kept."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from fcn_lightning.models import Network
from fcn_lightning.runs.run import compose_run

SIZES = {"vgg16": (30, 41), "caffenet": (67, 81), "googlenet": (70, 66)}


def passed(network: Network, image: Tensor) -> tuple[list[Tensor], int]:
    """The gradients of a pass with dropout, and the bytes that it keeps beside weights."""
    kept: dict[int, int] = {}
    weights = {p.untyped_storage().data_ptr() for p in network.parameters()}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    torch.manual_seed(1)
    network.zero_grad()
    with saved_tensors_hooks(keep, lambda tensor: tensor):
        scores = network.train()(image)
    bytes_kept = sum(kept.values())
    assert isinstance(scores, Tensor)
    scores.square().sum().backward()
    return [p.grad.clone() for p in network.parameters() if p.grad is not None], bytes_kept


@pytest.mark.parametrize("backbone", SIZES)
def test_gradients_are_the_same_and_less_is_kept(
    backbone: str, narrow: Callable[..., Network]
) -> None:
    network = narrow(backbone=backbone)
    image = torch.rand(2, 3, *SIZES[backbone]) * 255
    expected, whole = passed(network, image)
    network.backbone.checkpoint_activations()  # type: ignore[union-attr, operator]
    found, less = passed(network, image)
    assert len(found) == len(expected) > 10
    assert all(torch.equal(a, b) for a, b in zip(found, expected))
    assert sum(float(g.abs().sum()) for g in found) > 0
    assert less < 0.6 * whole


def test_what_has_no_chain_of_layers_refuses(tiny: Callable[..., list[str]]) -> None:
    own = "activation_checkpointing=true"
    run = compose_run(tiny("experiment=shapes", own))
    assert run.network(7).backbone._recomputes  # type: ignore[union-attr]
    assert run.name == compose_run(tiny("experiment=shapes")).name
    classifier = tiny("experiment=shapes_classifier", "head=classifier", own, classifier=None)
    with pytest.raises(ValueError, match=r"head=classifier has no activation_checkpointing\."):
        compose_run(classifier).network(7)
    model = ["backbone=timm", "backbone.model=resnet18"]
    timm = [o for o in tiny("experiment=shapes", own, *model) if "widths" not in o]
    with pytest.raises(ValueError, match="TimmBackbone cannot compute its maps again"):
        compose_run(timm).network(7)
