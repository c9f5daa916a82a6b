"""The same arithmetic, rounded in several ways."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

import torch
from torch import nn

NUDGE = 4e-8
"""The relative change of starting weights, about: less than one step of float32."""


@contextmanager
def rounded(
    network: nn.Module, *, onednn: bool = False, double: bool = False, seed: int | None = None
) -> Iterator[None]:
    """Convolutions on one thread, by im2col and one matrix product or by oneDNN.

    `double` turns the network to float64; a `seed` moves its weights a little.
    """
    if double:
        network.double()
    if seed is not None:
        random = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.mul_(1 + NUDGE * torch.randn(parameter.shape, generator=random))
    threads, enabled = torch.get_num_threads(), torch.backends.mkldnn.enabled
    torch.set_num_threads(1)
    torch.backends.mkldnn.enabled = onednn  # type: ignore[assignment]
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.backends.mkldnn.enabled = enabled


ROUNDINGS: dict[str, Callable[[nn.Module], AbstractContextManager[None]]] = {
    "": rounded,
    "by oneDNN": partial(rounded, onednn=True),
    "in float64": partial(rounded, double=True),
    **{f"otherwise ({seed})": partial(rounded, seed=seed) for seed in range(12)},
}
"""By the words for a trajectory that needs one; the first is Caffe's rounding on a CPU.

The first keeps 1e-6 of a layer's largest weight in all of the reference's trajectories. In float64
and from 11 of 12 moved starts, one ReLU or pool takes another side at the larger rate: 4e-4.
"""
