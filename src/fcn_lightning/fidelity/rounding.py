"""The same arithmetic, rounded in several ways; Caffe's is one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

import torch
from torch import nn

Rounding = Callable[[nn.Module], AbstractContextManager[None]]

STEP = 4e-8
"""By what part, about, starting weights are moved: less than one step of float32."""


@contextmanager
def convolutions(network: nn.Module, *, onednn: bool) -> Iterator[None]:
    """Convolutions on one thread, by im2col and one matrix product or by oneDNN."""
    threads, enabled = torch.get_num_threads(), torch.backends.mkldnn.enabled
    torch.set_num_threads(1)
    torch.backends.mkldnn.enabled = onednn  # type: ignore[assignment]
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.backends.mkldnn.enabled = enabled


@contextmanager
def doubles(network: nn.Module) -> Iterator[None]:
    """Everything in float64."""
    network.double()
    with convolutions(network, onednn=False):
        yield


@contextmanager
def nudged(network: nn.Module, seed: int) -> Iterator[None]:
    """Caffe's, from starting weights that are moved by less than one step of float32."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(1 + STEP * torch.randn(parameter.shape, generator=random))
    with convolutions(network, onednn=False):
        yield


ROUNDINGS: dict[str, Rounding] = {
    "": partial(convolutions, onednn=False),
    "by oneDNN": partial(convolutions, onednn=True),
    "in float64": doubles,
    **{f"otherwise ({seed})": partial(nudged, seed=seed) for seed in range(12)},
}
"""By what is said of a trajectory that needs it; the first is how Caffe's CPU rounds.

Measured on the reference's trajectories, by the largest error of a final weight as a fraction of
its layer's largest: the first keeps 1e-6 in all of them. Float64 does not: at the larger rate it
takes another side at one ReLU or pool, as 11 of 12 nudged starts do, and ends 4e-4 away.
"""
