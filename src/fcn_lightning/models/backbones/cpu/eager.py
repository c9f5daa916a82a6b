"""Conditions for the ways in which this folder computes."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor
from torch.onnx import is_in_onnx_export

_ordinary = ContextVar("ordinary", default=False)


@contextmanager
def ordinary() -> Iterator[None]:
    """Compute convolutions as torch does, to count their operations or memory; strips stay."""
    token = _ordinary.set(True)
    try:
        yield
    finally:
        _ordinary.reset(token)


def as_products(x: Tensor) -> bool:
    """True if convolutions of `x` may become matrix products: on a CPU, but for `ordinary`."""
    return eager_on_cpu(x) and not _ordinary.get()


def eager_on_cpu(x: Tensor) -> bool:
    """True if a CPU computes with `x` now.

    False on other devices, and where operations are recorded or transformed: by a compiler, an
    export or torch.func.
    """
    if x.device.type != "cpu" or torch.compiler.is_compiling() or is_in_onnx_export():
        return False
    traced = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    return not traced and not torch._C._are_functorch_transforms_active()
