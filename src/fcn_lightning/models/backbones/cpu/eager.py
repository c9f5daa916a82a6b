"""When the ways of this folder are left to others."""

import torch
from torch import Tensor
from torch.onnx import is_in_onnx_export


def on_cpu(x: Tensor) -> bool:
    """True if a CPU computes with `x` now; False on other devices, in a compiler and an export."""
    traced = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    recorded = traced or torch.compiler.is_compiling() or is_in_onnx_export()
    return x.device.type == "cpu" and not recorded
