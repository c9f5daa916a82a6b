"""Trained networks as files that other programs run: ONNX, and programs of torch.export."""

from fcn_lightning.export.onnx_file import write_onnx
from fcn_lightning.export.torch_program import write_torch_program

__all__ = ["write_onnx", "write_torch_program"]
