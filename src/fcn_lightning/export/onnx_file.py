"""Networks as ONNX files, checked by ONNX Runtime.

The exporter traces the network in TorchScript. The one of torch.export gave equal scores in
50 times as long (a minute in place of a second), and needs one more package.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from fcn_lightning.export.comparison import Run, largest_difference
from fcn_lightning.export.exported import DYNAMIC, Exported
from fcn_lightning.files import check_target, replacing
from fcn_lightning.models import Network

OPSET = 17
"""ONNX Runtime 1.12 and later run it."""

EXAMPLE = (2, 33, 47)
"""Number, height and width of the images that are traced."""


def write_onnx(
    network: Network, path: Path, *, argmax: bool = False, overwrite: bool = False
) -> tuple[Exported, float]:
    """Write an ONNX file of a network; return what it holds, and its largest difference.

    Number, height and width of the images are dynamic; normalization is inside.

    Args:
        network: An FCN of one or several modalities and heads.
        path: The file.
        argmax: The file returns the best class of each pixel in place of the scores.
        overwrite: Replace an existing file.

    Raises:
        OSError: The file cannot be written.
        ValueError: ONNX cannot express the network, the file differs from it, or exists, or a
            package is not installed.
    """
    exported = Exported(network, argmax=argmax)
    _check_packages()
    check_target(path, overwrite=overwrite)
    with replacing(path) as temporary:
        _export(exported, temporary)
        difference = largest_difference(exported, _runtime(exported, temporary))
    return exported, difference


def _check_packages() -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise ValueError(
            "--onnx needs the packages onnx and onnxruntime: pip install 'fcn-lightning[onnx]'."
        ) from error


def _export(exported: Exported, path: Path) -> None:
    without_classes = {axis - (axis > 1): name for axis, name in DYNAMIC.items()}
    of_outputs = without_classes if exported.argmax else DYNAMIC
    axes = dict.fromkeys(exported.inputs, DYNAMIC) | dict.fromkeys(exported.outputs, of_outputs)
    with warnings.catch_warnings():
        # Of the exporter's age, of flipped channels, and of sizes that a trace fixes: the file is
        # compared with the network on several sizes.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            exported, exported.draw(*EXAMPLE), str(path), dynamo=False, opset_version=OPSET,
            input_names=exported.inputs, output_names=exported.outputs, dynamic_axes=axes,
        )  # fmt: skip


def _runtime(exported: Exported, path: Path) -> Run:
    """A function that computes the outputs of images by ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def run(images: Sequence[Tensor]) -> list[Tensor]:
        arrays = [image.numpy() for image in images]
        found = session.run(exported.outputs, dict(zip(exported.inputs, arrays, strict=True)))
        return [torch.from_numpy(array) for array in found]

    return run
