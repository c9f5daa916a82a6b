"""The memory that a network needs for an image, measured on small ones."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from fcn_lightning.models.backbones.cpu import ordinary

PROBES = (64, 192)
"""The sides of the images that are measured."""

WORKSPACE = 2.3
"""Memory of a pass relative to its tensors: convolutions copy their input and output.

The tensors are those of `ordinary` convolutions; matrix products need no more memory.
"""

Score = Callable[[Mapping[str, Tensor]], dict[str, Tensor]]


class Demand:
    """The memory that scoring an image takes, in bytes.

    Feature maps grow with (side + padding)^2, of which two measured sides tell both unknowns. Of
    an image that is not square, the sides count each on its own.
    """

    def __init__(self, score: Score, probe: Callable[[int], Mapping[str, Tensor]]) -> None:
        """Measure scoring on two small images.

        Args:
            score: Scores a batch.
            probe: Makes a batch of one square image of this side.
        """
        small, large = (math.sqrt(_peak(lambda s=side: score(probe(s)))) for side in PROBES)  # type: ignore[misc]
        self._slope = (large - small) / (PROBES[1] - PROBES[0])
        self._padding = max(0.0, small / self._slope - PROBES[0])

    def bytes(self, h: int, w: int, images: int = 1) -> int:
        """The memory for a batch of images of h x w pixels, besides the weights."""
        pixels = (h + self._padding) * (w + self._padding)
        return int(images * WORKSPACE * self._slope**2 * pixels)


def weight_copies(network: nn.Module) -> int:
    """Bytes that a convolution may take to reorder the largest weight of a network."""
    return max(p.numel() * p.element_size() for p in network.parameters())


def resident() -> int:
    """The memory of this process in bytes, without pages that are only mapped."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        import resource

        return int(statm.read_text().split()[1]) * resource.getpagesize()
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # macOS: bytes, the largest so far


def is_lack_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that memory is exhausted."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "allocate memory" in str(error)


def _peak(run: Callable[[], Any]) -> int:
    """The largest number of bytes in tensors that exist at one time while `run` runs."""
    with ordinary(), _Tensors() as tensors:
        run()
    return tensors.peak


class _Tensors(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of all tensors that are made and not yet freed."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor):
                self._count(tensor.untyped_storage())
        return made

    def _count(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key not in self._known:
            self._known.add(key)
            self.live += size
            self.peak = max(self.peak, self.live)
            weakref.finalize(storage, self._freed, key, size)

    def _freed(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.live -= size
