"""When the ways of this folder are used."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor
from torch.onnx import is_in_onnx_export

_ordinary = ContextVar("ordinary", default=False)


@contextmanager
def ordinary() -> Iterator[None]:
    """Compute on a CPU as on other devices, layer by layer with torch's convolutions."""
    token = _ordinary.set(True)
    try:
        yield
    finally:
        _ordinary.reset(token)


def eager_on_cpu(x: Tensor) -> bool:
    """True if a CPU computes with `x` now; False on other devices, and in `ordinary`.

    Also False where operations are recorded or transformed: by a compiler, an export or torch.func.
    """
    if x.device.type != "cpu" or torch.compiler.is_compiling() or is_in_onnx_export():
        return False
    traced = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    return not (traced or torch._C._are_functorch_transforms_active() or _ordinary.get())
